"""A corpus without alignments goes from setup.sh to a report; then they are made, and scores of phones are there."""

import csv
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from recipe_runs import CORPUS, RECIPE, end_of
from tiny import ROOT

from hubert_iter.bin import prepare_synth

TABLES = ("wav.scp", "utt2spk", "text")
STUDY = """
model: ci
train: ci
updates: 20
runs:
  random:     {objective: none}
  hubert_it1: {objective: hubert, targets: mfcc, k: 20}
"""
DATA = """#!/usr/bin/env bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p data
cp -R prepared/* data
"""


class Recipe:
    """A recipe that setup.sh has made."""

    def __init__(self, folder: Path, data: Path):
        """Its local/data.sh brings what is in `data`, without alignments."""
        self.folder = folder
        subprocess.run([ROOT / "egs/TEMPLATE/ssl1/setup.sh", folder], check=True, capture_output=True)
        for name in ("train", "valid", "eval"):
            (folder / "prepared" / name).mkdir(parents=True)
            for table in TABLES:
                (folder / "prepared" / name / table).write_text((data / name / table).read_text())
        (folder / "local/data.sh").write_text(DATA)
        for name in ("model/ci.yaml", "train/ci.yaml", "analysis/ci.yaml"):
            (folder / "conf" / name).parent.mkdir()
            shutil.copy(RECIPE / "conf" / name, folder / "conf" / name)
        (folder / "conf/study").mkdir()
        (folder / "conf/study/first.yaml").write_text(STUDY)

    def run(self, *options: str) -> subprocess.CompletedProcess:
        """Run to the end; stdout and stderr together."""
        settings = ("--study", "first", "--analysis", "ci", "--nj", "2", "--min_seconds", "1", "--portion", "1.0")
        return subprocess.run(
            [self.folder / "run.sh", *settings, *options], env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
        )  # fmt: skip

    def scores(self) -> list[dict[str, str]]:
        """The report's table."""
        with open(self.folder / "exp/first/report/scores.tsv") as file:
            return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    """After a first call without alignments."""
    folder = tmp_path_factory.mktemp("corpus")
    prepare_synth.main(["--out", str(folder / "data"), *CORPUS.split()])
    made = Recipe(folder / "without alignments", folder / "data")
    result = made.run("--alignments", "none")
    assert result.returncode == 0, end_of(result.stdout)
    return made


def test_what_needs_no_phones_is_scored_labelled_exported_and_reported(recipe):
    rows = recipe.scores()
    assert {row["property"] for row in rows if row["measure"] == "cca"} == {"speaker"}
    assert {row["measure"] for row in rows} >= {"cca", "probe", "units", "mel", "intra"}
    assert (recipe.folder / "exp/first/hubert_it1/measures/similarity/pairs.tsv").is_file()
    page = (recipe.folder / "exp/first/report/index.html").read_text()
    assert "the evaluation set has no alignments" in page and "docs/alignments.md" in page
    quality = (recipe.folder / "dump/first/units/mfcc_k20/quality/scores.tsv").read_text()
    assert "speaker_share" in quality and "pnmi" not in quality
    assert (recipe.folder / "exp/first/hubert_it1/export/huggingface/model.safetensors").is_file()


def test_train_and_validation_sets_are_not_asked_for_alignments(recipe):
    assert [path.name for path in (recipe.folder / "dump/alignments").iterdir() if path.is_dir()] == ["eval"]


def test_without_a_word_about_it_the_recipe_stops_before_any_training(recipe):
    result = recipe.run("--stage", "3")
    assert result.returncode == 1
    assert "--alignments make" in result.stdout and "--alignments none" in result.stdout
    assert "Stage 4" not in result.stdout


def test_a_later_start_asks_for_them_before_it_trains(recipe):
    result = recipe.run("--stage", "5", "--dumpdir", "other")
    assert result.returncode == 1 and "Stage 5" not in result.stdout
    assert "other/alignments/eval: expected the alignments" in result.stdout


def test_they_are_made_and_what_rests_on_them_is_scored(recipe):
    pytest.importorskip("pocketsphinx", reason="no pocketsphinx: pip install -e '.[align]'")
    model = recipe.folder / "exp/first/hubert_it1/model/provenance.json"
    before = model.stat().st_mtime_ns
    # Voices of the Caribbean are hard for a model of American English.
    result = recipe.run("--alignments", "make", "--max_missing", "8", "--stage", "3")
    assert result.returncode == 0, end_of(result.stdout)
    assert {row["property"] for row in recipe.scores() if row["measure"] == "cca"} >= {"phone", "speaker"}
    assert "has no alignments" not in (recipe.folder / "exp/first/report/index.html").read_text()
    assert model.stat().st_mtime_ns == before
