"""The entry point that scores: what is scored again and what is not, and what it refuses."""

import numpy as np
import pytest
import yaml
from scored import write_layers, write_samples

from hubert_iter import provenance
from hubert_iter.analysis import measures, scores
from hubert_iter.analysis.sample import Span
from hubert_iter.bin import score
from hubert_iter.errors import UserError

MEASURE = '''
"""A made-up measure."""

from dataclasses import dataclass

from hubert_iter.analysis.measure import Measure, Metric, PairRow, Row, Scored, SpeakerRow
from hubert_iter.errors import UserError
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings:
    """What shapes the scores."""

    level: float = option(1.0, "of all layers", least=0)


class MadeUp(Measure):
    """The same for all layers."""

    title = "Made up"
    metrics = (Metric("level", "level"),)
    Settings = Settings

    def check(self, settings):
        if settings.level == 13:
            raise UserError("this cannot be scored here")

    def leaves_out(self, material):
        return "it has no blocks" if material.layers.name == "mfcc" else ""

    def score(self, material, settings):
        taps = material.layers.taps
        return Scored(
            [Row(tap, "phone", "level", 0, None, settings.level) for tap in taps],
            [SpeakerRow(tap, "phone", "level", who, 0.5) for tap in taps for who in sorted(material.speakers.values())],
            [PairRow(tap, other, taps[0], "alike", 0, 0.25) for other in material.others for tap in taps],
        )
'''


@pytest.fixture
def run(tmp_path, extend):
    """A function that scores layers by the measures it is given, and tells which were scored in this call."""
    folder = extend(measures)
    for name in ("alpha", "beta"):
        (folder / f"{name}.py").write_text(MEASURE)
    write_samples(tmp_path, {("phone", 0): [Span("u", n, n + 1, "ab"[n % 2]) for n in range(6)]}, {"u": "s"})
    write_layers(tmp_path, {"phone.0": np.zeros((2, 6, 3))}, ("0", "1"))
    for name in ("data", "alignments"):
        (tmp_path / name).mkdir()
    out = tmp_path / "measures"

    def call(given: dict, *more: str, model: str = "mfcc") -> set[str]:
        table = tmp_path / "mine.yaml"
        table.write_text(yaml.safe_dump({"measures": given}))
        before = made(out)
        folders = {name: tmp_path / name for name in ("layers", "samples", "data", "alignments")}
        words = [word for name, folder in folders.items() for word in (f"--{name}", str(folder))]
        score.main([*words, "--model", model, "--out", str(out), "--analysis", str(table), "--nj", "1", *more])
        return {name for name, when in made(out).items() if before.get(name) != when}

    return call


def made(out) -> dict[str, int]:
    """When each measure's folder was finished."""
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/provenance.json")}


def test_only_what_changed_is_scored_again(run, monkeypatch, tmp_path):
    assert run({"alpha": {}}) == {"alpha"}
    assert run({"alpha": {}}) == set()
    assert run({"alpha": {}, "beta": {}}) == {"beta"}
    assert run({"alpha": {}, "beta": {"level": 2}}) == {"beta"}
    kind = type(measures.find("alpha", "test"))
    monkeypatch.setattr(kind, "form", kind.form + 1)
    assert run({"alpha": {}, "beta": {"level": 2}}) == {"alpha"}
    # A measure that is no longer asked for stays.
    assert run({"beta": {"level": 2}}) == set() and (tmp_path / "measures/alpha/scores.tsv").is_file()
    record = provenance.read(tmp_path / "measures/beta")
    assert record["command"] == "score" and record["form"] == 1
    assert record["settings"] == {"measure": "beta", "run": "run", "seed": 0, "trials": 3, "level": 2.0}
    write_layers(tmp_path, {"phone.0": np.ones((2, 6, 3))}, ("0", "1"))
    assert run({"alpha": {}, "beta": {"level": 2}}) == {"alpha", "beta"}


def test_why_a_network_is_left_out_is_kept_until_it_is_scored(run, monkeypatch, tmp_path):
    kind = type(measures.find("alpha", "test"))
    monkeypatch.setattr(kind, "leaves_out", lambda self, material: "it takes 3 speakers")
    assert run({"alpha": {}}) == set()
    note = tmp_path / "measures" / f"alpha{scores.LEFT_OUT}"
    assert note.read_text() == "it takes 3 speakers\n"
    when = note.stat().st_mtime_ns
    run({"alpha": {}})
    assert note.stat().st_mtime_ns == when
    monkeypatch.setattr(kind, "leaves_out", lambda self, material: "")
    assert run({"alpha": {}}) == {"alpha"} and not note.exists()


def test_tables_are_read_as_they_were_written(run, tmp_path):
    run({"alpha": {"level": 0.1}}, "--others", f"first={tmp_path / 'layers'}", "second=nowhere")
    folder = tmp_path / "measures/alpha"
    common = {"run": "run", "update": "9"}
    rows = scores.read(folder)
    assert len(rows) == 2
    assert rows[1] == common | {
        "layer": "1", "property": "phone", "metric": "level", "sample_set": "0", "trial": "-", "value": "0.1"
    }  # fmt: skip
    assert [(row["layer"], row["speaker"]) for row in scores.read(folder, scores.SPEAKERS_FILE)] == [
        ("0", "s"), ("1", "s")
    ]  # fmt: skip
    pairs = scores.read(folder, scores.PAIRS_FILE)
    assert [(row["other"], row["layer"], row["other_layer"]) for row in pairs] == [
        ("first", "0", "0"), ("first", "1", "0"), ("second", "0", "0"), ("second", "1", "0")
    ]  # fmt: skip
    (folder / scores.PAIRS_FILE).unlink()
    assert scores.read(folder, scores.PAIRS_FILE) == []
    (folder / scores.FILE_NAME).write_text("run\tvalue\n")
    with pytest.raises(UserError, match=r"scores\.tsv:1: expected the columns run update layer property metric"):
        scores.read(folder)
    (folder / scores.FILE_NAME).unlink()
    with pytest.raises(UserError, match=r"scores\.tsv: missing. Run stage 9"):
        scores.read(folder)


def test_a_network_that_a_measure_leaves_out_has_no_folder(run, tmp_path):
    path = tmp_path / "layers/layers.json"
    path.write_text(path.read_text().replace('"run"', '"mfcc"'))
    provenance.write(tmp_path / "layers", "pool_layers", {}, {"samples": tmp_path / "samples"})
    assert run({"alpha": {}}) == set()
    assert not (tmp_path / "measures/alpha").exists()


def test_what_cannot_be_scored_is_refused_and_leaves_earlier_scores(run, tmp_path):
    run({"alpha": {}})
    before = made(tmp_path / "measures")
    with pytest.raises(UserError, match="this cannot be scored here"):
        run({"alpha": {"level": 13}})
    assert made(tmp_path / "measures") == before


def test_layers_of_other_segments_are_refused(run, tmp_path):
    samples = {("phone", 0): [Span("u", n, n + 2, "ab"[n % 2]) for n in range(6)]}
    write_samples(tmp_path, samples, {"u": "s"})
    with pytest.raises(UserError, match=r"found those of other segments. Run pool_layers \(stage 8\) again"):
        run({"alpha": {}})
    assert not (tmp_path / "measures").exists()


@pytest.mark.parametrize("word", ["first", "first=", "=folder"])
def test_others_have_a_name_and_a_folder(run, word):
    with pytest.raises(UserError, match=f"--others: expected NAME=FOLDER, found '{word}'"):
        run({"alpha": {}}, "--others", word)
