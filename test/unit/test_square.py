"""What is asked, crossed with how often targets change: where conditions stand, and what the report shows of it."""

import math
from pathlib import Path

import pytest
import yaml

from hubert_iter import provenance, study
from hubert_iter.analysis import scores
from hubert_iter.analysis.measure import Row, Scored
from hubert_iter.analysis.pool import Layers
from hubert_iter.analysis.square import Place, places
from hubert_iter.bin import report
from hubert_iter.models.settings import CONTRASTIVE, PREDICTIVE
from hubert_iter.runs import Study

ROWS = {
    "random": {"objective": "none"},
    "unmasked": {"objective": "hubert_unmasked", "targets": "mfcc", "k": 9, "seeds": 2},
    "later": {"objective": "hubert", "targets": "unmasked@1", "k": 9},
    "warm": {"objective": "hubert", "targets": "mfcc", "k": 9, "init": "unmasked"},
    "told_apart": {"objective": "chubert", "targets": "mfcc", "k": 9},
    "quantised": {"objective": "wav2vec2"},
    "following": {"objective": "online"},
}
NAMES = {"unmasked": "hubert", "later": "hubert", "warm": "hubert", "told_apart": "chubert", "quantised": "wav2vec2",
         "following": "online", "random": None}  # fmt: skip
CONFIGS = {row: {"objective": name and {"name": name}} for row, name in NAMES.items()}


def a_study(path: Path, *left_out: str) -> Study:
    runs = {name: row for name, row in ROWS.items() if name not in left_out}
    path.write_text(yaml.safe_dump({"model": "tiny", "train": "mini", "updates": 7, "runs": runs}))
    return study.read(path)


def add_scores(exp: Path, run: str, level: float) -> None:
    """Three layers, of which the last scores `level` for phones, half of it for words."""
    taps = ("0", "1", "2")
    rows = [
        Row(tap, prop, "pwcca", 0, trial, level / part + 0.1 * (2 - place) + 0.01 * (trial - 1))
        for place, tap in enumerate(taps)
        for prop, part in (("phone", 1), ("word", 2), ("speaker", 4))
        for trial in range(3)
    ]
    folder = exp / run / "measures/cca"
    folder.mkdir(parents=True)
    scores.write(folder, Layers(folder, taps, 7, run), Scored(rows))
    provenance.write(folder, "score", {"measure": "cca", "run": run}, {})


def test_an_objective_says_what_it_asks_and_labels_how_often_they_change(tmp_path):
    runs = a_study(tmp_path / "s.yaml").runs.values()
    assert set(places(runs, CONFIGS)) == {
        Place("unmasked", PREDICTIVE, math.inf, 1),
        Place("later", PREDICTIVE, math.inf, 2),
        Place("told_apart", CONTRASTIVE, math.inf, 1),
        Place("quantised", CONTRASTIVE, 1, 1),
        Place("following", PREDICTIVE, 1, 1),
    }


def test_runs_with_refresh_stand_between_the_corners(tmp_path):
    path = tmp_path / "s.yaml"
    a_study(path)
    values = yaml.safe_load(path.read_text())
    values["runs"]["refreshed"] = {**values["runs"]["told_apart"], "updates": 50, "refresh": {"every": 20, "tap": 1}}
    path.write_text(yaml.safe_dump(values))
    runs = study.read(path).runs.values()
    found = places(runs, {**CONFIGS, "refreshed": CONFIGS["told_apart"]})
    assert Place("refreshed", CONTRASTIVE, 20, 1) in found


@pytest.mark.parametrize("corner", ["told_apart", "quantised", "following"])
def test_three_corners_are_no_square(tmp_path, corner):
    assert places(a_study(tmp_path / "s.yaml", corner).runs.values(), CONFIGS) == ()


def test_the_report_draws_and_tells_it_once_all_corners_are_scored(tmp_path):
    runs = a_study(tmp_path / "s.yaml").runs
    options = [
        "--study", str(tmp_path / "s.yaml"), "--expdir", str(tmp_path / "exp"), "--dumpdir", str(tmp_path / "dump"),
        "--out", str(tmp_path / "exp/report"),
    ]  # fmt: skip
    for number, (name, run) in enumerate(runs.items()):
        if name != "following":
            add_scores(tmp_path / "exp", name, 0.3 + 0.02 * number)
        (tmp_path / "exp" / name).mkdir(exist_ok=True, parents=True)
        config = {"objective": CONFIGS[run.condition]["objective"], "run": {"name": name}}
        (tmp_path / "exp" / name / "config.yaml").write_text(yaml.safe_dump(config))
    report.main(options)
    text = tmp_path / "exp/report/RESULTS.md"
    assert "how often targets change" not in text.read_text()

    add_scores(tmp_path / "exp", "following", 0.5)
    report.main(options)
    section = text.read_text().split("## What is asked, and how often targets change")[1].split("\n## ")[0]
    assert "![" in section and (tmp_path / "exp/report/figures/square.png").stat().st_size > 5000
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][2:]
    assert [row[:3] for row in rows] == [
        ["predictive", "every update", "following"],
        ["predictive", "once a run", "unmasked (2 networks)"],
        ["predictive", "once a run", "later"],
        ["contrastive", "every update", "quantised"],
        ["contrastive", "once a run", "told\\_apart"],
    ]
    assert [cell.split(" ±")[0] for cell in rows[0][3:]] == ["0.500", "0.250", "0.125"]
