import json
import shutil
from dataclasses import replace

import pytest

from hubert_iter import provenance
from hubert_iter.errors import UserError
from hubert_iter.provenance import Product


def make(stage: Product, text: str) -> None:
    with stage.writing() as work:
        (work / "result.txt").write_text(text)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in put.txt"
    path.write_text("one")
    return path


def test_done_only_while_settings_inputs_and_outputs_stay(tmp_path, source):
    out = tmp_path / "out"
    stage = Product(out, "make", {"k": 3, "sizes": (1, 2)}, {"source": source})
    assert not stage.done()
    make(stage, "x")
    assert stage.done()
    assert not Product(out, "make", {"k": 4, "sizes": (1, 2)}, {"source": source}).done()
    assert not Product(out, "make", {"k": 3, "sizes": (1, 2)}, {"source": source, "more": source}).done()
    source.write_text("two")
    assert not stage.done()
    source.write_text("one")
    assert stage.done(), "the same content again must count as the same input"
    (out / "result.txt").unlink()
    assert not stage.done()


def test_what_was_written_in_another_form_is_made_again(tmp_path, source, caplog):
    stage = Product(tmp_path / "out", "make", {"k": 3}, {"source": source})
    make(stage, "old")
    caplog.set_level("INFO")
    newer = replace(stage, form=2)
    assert not newer.done()
    assert "its contents are of form 1, now 2" in caplog.text
    make(newer, "new")
    assert newer.done() and not stage.done()
    # A record from before there were forms is of the first one.
    record = provenance.read(newer.folder)
    del record["form"]
    (newer.folder / provenance.FILE_NAME).write_text(json.dumps(record))
    assert stage.done()


def test_failure_keeps_the_earlier_result_and_leaves_nothing_behind(tmp_path, source):
    out = tmp_path / "out"
    stage = Product(out, "make", {}, {"source": source})
    make(stage, "good")
    source.write_text("two")
    with pytest.raises(KeyboardInterrupt), stage.writing() as work:
        (work / "result.txt").write_text("half")
        raise KeyboardInterrupt
    assert (out / "result.txt").read_text() == "good"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in put.txt", "out"]


def test_a_killed_stage_is_not_taken_as_done(tmp_path, source):
    out = tmp_path / "out"
    (tmp_path / "out.tmp").mkdir()
    (tmp_path / "out.tmp" / "result.txt").write_text("half")
    stage = Product(out, "make", {}, {"source": source})
    assert not stage.done()
    make(stage, "whole")
    assert (out / "result.txt").read_text() == "whole"


def test_a_folder_that_others_have_made_is_not_deleted(tmp_path, source):
    out = tmp_path / "out"
    out.mkdir()
    stage = Product(out, "make", {}, {"source": source})
    make(stage, "into an empty folder")
    with pytest.raises(UserError, match="out: expected a folder made by copy, or none, found a folder made by make"):
        Product(out, "copy", {}, {"source": source}).done()
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.txt").write_text("three years")
    stage = Product(foreign, "make", {}, {"source": source})
    for overwrite in (stage.done, lambda: make(stage, "x")):
        with pytest.raises(UserError, match="thesis: expected a folder made by make, or none, found a folder without"):
            overwrite()
    with pytest.raises(UserError, match="expected a folder to write, found a file"):
        Product(foreign / "chapter.txt", "make", {}, {"source": source}).done()
    assert (foreign / "chapter.txt").read_text() == "three years"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in put.txt", "out", "thesis"]


def test_an_edit_by_hand_is_noticed_downstream_and_kept_when_the_stage_is_repeated(tmp_path, source):
    out = tmp_path / "out"
    stage = Product(out, "make", {}, {"source": source})
    make(stage, "made")
    later = Product(tmp_path / "later", "use", {}, {"made": out})
    make(later, "used")
    assert later.done()
    (out / "result.txt").write_text("mend")  # as long as before
    assert not later.done()
    make(stage, "made")
    assert later.done(), "the stage's own outcome is back"
    assert (tmp_path / "out.edited1/result.txt").read_text() == "mend"


def test_a_copied_folder_is_the_same_input(tmp_path, source):
    make(Product(tmp_path / "out", "make", {}, {"source": source}), "made")
    shutil.copytree(tmp_path / "out", tmp_path / "copy", copy_function=shutil.copyfile)
    assert provenance.identity(tmp_path / "copy") == provenance.identity(tmp_path / "out")


def test_identity_is_that_of_the_content(tmp_path, source):
    stages = [
        Product(tmp_path / name, "make", {"k": k}, {"source": source}) for name, k in (("a", 1), ("b", 2), ("c", 3))
    ]
    for stage, text in zip(stages, ("same", "same", "other"), strict=True):
        make(stage, text)
    first, second, third = (provenance.identity(stage.folder) for stage in stages)
    assert first == second != third


@pytest.mark.parametrize("content", ["{", json.dumps({"command": "make"})])
def test_damaged_record_is_an_error_that_names_the_file(tmp_path, content):
    (tmp_path / "provenance.json").write_text(content)
    with pytest.raises(UserError, match=r"provenance\.json"):
        provenance.read(tmp_path)


def test_missing_input_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="Run the stage"):
        Product(tmp_path / "out", "make", {}, {"source": tmp_path / "absent"}).writing().__enter__()
        provenance.identity(tmp_path / "absent")
