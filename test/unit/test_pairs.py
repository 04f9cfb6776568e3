"""Scores of two networks' layers: what a map means, and which pairs have a table."""

import pytest
import yaml

from hubert_iter import study
from hubert_iter.analysis.measure import Metric
from hubert_iter.analysis.scores import PAIR_COLUMNS
from hubert_iter.report import figures, pairs, read

RUNS = {"one": {"objective": "wav2vec2", "seeds": 2}, "two": {"objective": "hubert", "targets": "mfcc", "k": 9}}
# How alike: each network to itself, replicates to each other, and the other condition's network to both.
LEVELS = {
    ("one", "one"): 1.0, ("one.2", "one.2"): 1.0, ("one.2", "one"): 0.8,
    ("two", "two"): 1.0, ("two", "one"): 0.5, ("two", "one.2"): 0.3,
}  # fmt: skip


@pytest.fixture
def specs(tmp_path):
    table = {"model": "m", "train": "t", "updates": 5, "runs": RUNS}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(table, sort_keys=False))
    return study.read(tmp_path / "s.yaml").runs


@pytest.fixture
def measured(monkeypatch):
    """Pairs of a measure whose layers 0 and 1 are half as alike as equal layers."""
    rows = []
    for (run, other), level in LEVELS.items():
        for layer in "01":
            for other_layer in "01":
                value = level if layer == other_layer else level / 2
                row = (run, 5, layer, other, other_layer, "cka", 0, value)
                rows.append(dict(zip(PAIR_COLUMNS, map(str, row), strict=True)))

    class Alike:
        metrics = (Metric("cka", "CKA"),)

    monkeypatch.setattr(read.Measured, "measure", Alike)
    return read.Measured("alike", [], [], rows, {})


def test_a_table_is_the_mean_over_pairs_of_different_networks(measured, specs):
    (table,) = pairs.tables(measured, specs, ["one", "two"])
    # Of a single network with itself nothing is said: it is 1 by definition.
    assert table.header == ["layer", "one, other networks", "two ~ one"]
    assert table.rows == [["0", "0.800", "0.400"], ["1", "0.800", "0.400"]]


def test_maps_are_drawn_of_lines_that_were_compared(measured, specs, tmp_path):
    canvas = figures.Canvas(tmp_path, [])
    pairs.figures(canvas, "alike", measured, specs, ["one", "two", "not scored"])
    (drawing,) = canvas.drawings
    assert (drawing.name, drawing.section) == ("alike_cka", "alike")
    assert "CKA" in drawing.svg and "not scored" not in drawing.svg
    pairs.figures(canvas, "alike", read.Measured("alike", [], [], [], {}), specs, ["one", "two"])
    assert len(canvas.drawings) == 1
