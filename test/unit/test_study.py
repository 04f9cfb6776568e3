import pytest
import yaml
from tiny import ROOT

from hubert_iter import study
from hubert_iter.bin import plan
from hubert_iter.errors import UserError

RUNS = {
    "second": {"objective": "hubert", "targets": "first@6", "k": 500},
    "first": {"objective": "hubert", "targets": "mfcc"},
    "random": {"objective": "none"},
    "online": {"objective": "wav2vec2"},
    "warm": {"objective": "hubert", "targets": "first@6", "k": 500, "init": "first"},
}
TOP = {"model": "tiny", "train": "mini", "updates": 10, "k": 100}


def write(folder, runs=None, **top):
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump({**TOP, **top, "runs": RUNS if runs is None else runs}, sort_keys=False))
    return path


def test_teachers_come_before_their_pupils_and_defaults_fill_in(tmp_path):
    table = study.read(write(tmp_path))
    names = list(table.runs)
    assert names.index("first") < names.index("second")
    assert names.index("first") < names.index("warm")
    assert (table.runs["first"].k, table.runs["second"].k, table.runs["online"].k) == (100, 500, 0)
    assert table.runs["second"].labels == table.runs["warm"].labels == "first@6_k500"
    assert (table.runs["second"].teacher, table.runs["second"].tap) == ("first", "6")


def test_plan_prints_one_row_per_run(tmp_path, capsys):
    plan.main(["--study", str(write(tmp_path)), "--runs", "second random"])
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert sorted(row[0] for row in rows) == ["random", "second"]
    second = next(row for row in rows if row[0] == "second")
    assert second == ["second", "hubert", "first", "6", "500", "first@6_k500", "10", "-"]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({"a": {"objectiv": "hubert"}}, "did you mean objective"),
        ({"a": {"objective": "hubert", "targets": "b@3"}}, "needs run 'b'"),
        ({"a": {"objective": "hubert", "targets": "b@3"}, "b": {"objective": "hubert", "targets": "a@3"}}, "circle"),
        ({"a": {"objective": "hubert"}}, "needs targets"),
        ({"a": {"objective": "hubert", "targets": "mfc"}}, "expected mfcc or RUN@TAP"),
        ({"a": {"objective": "wav2vec2", "targets": "mfcc"}}, "has no targets"),
        ({"a": {"objective": "hubert", "targets": "mfcc", "updates": "many"}}, "whole number"),
        ({"a b": {"objective": "none"}}, "names a folder"),
        ({}, "at least one run"),
    ],
)
def test_faults_are_named(tmp_path, runs, message):
    with pytest.raises(UserError, match=message):
        study.read(write(tmp_path, runs))


def test_unknown_run_names_the_nearest(tmp_path):
    with pytest.raises(UserError, match="did you mean second"):
        study.read(write(tmp_path)).select(["secnd"])


@pytest.mark.parametrize("path", sorted((ROOT / "conf/study").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_load_with_everything_they_name(path):
    from hubert_iter.models.encoder import EncoderConfig
    from hubert_iter.train import config

    for run in study.read(path).runs.values():
        merged = config.load(run, [ROOT / "conf"])
        EncoderConfig.read(merged.model, run.model)
        if run.tap:
            assert run.tap == "conv" or int(run.tap) <= merged.model["layers"]
