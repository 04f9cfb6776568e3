"""The gate: a run that has no prospect at half of its updates is stopped, with what it has."""

import json

import pytest
import yaml
from trainings import MODEL, TRAIN

from hubert_iter import provenance
from hubert_iter.bin import train
from hubert_iter.models import store
from hubert_iter.train import gate


@pytest.fixture
def call(corpus, tmp_path):
    """Train 12 updates, validated every third: too few to learn anything."""
    row = {"objective": "hubert", "targets": "mfcc", "k": 7, "updates": 12}
    files = {
        "model/m": MODEL,
        "train/t": {**TRAIN, "workers": 0, "valid_every": 3},
        "study/s": {"model": "m", "train": "t", "runs": {"run": row}},
    }
    for name, values in files.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))

    def main(gated: bool, out: str = "run"):
        options = {
            "study": tmp_path / "conf/study/s.yaml", "name": "run", "conf_dirs": tmp_path / "conf",
            "data": corpus.data, "valid_data": corpus.valid_data, "labels": corpus.labels,
            "valid_labels": corpus.valid_labels, "out": tmp_path / out, "gate": str(gated).lower(),
        }  # fmt: skip
        train.main([word for key, value in options.items() for word in (f"--{key}", str(value))])
        return tmp_path / out

    return main


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_without_context_stops_at_half_and_goes_on_without_the_gate(call, one_thread, caplog):
    folder = call(True)
    assert store.describe(folder / "model")["updates"] == 6 == max(row["update"] for row in rows(folder))
    assert "stopped at the gate, update 6: held-out masked accuracy" in (folder / gate.FILE).read_text()
    before = provenance.read(folder / "model")
    caplog.set_level("INFO")
    call(True)
    assert "up to date" in caplog.text and provenance.read(folder / "model") == before

    call(False)
    assert "stopped_at changed from 6 to None" in caplog.text
    assert not (folder / gate.FILE).exists()
    straight = call(False, "straight")
    weights = [provenance.file_hash(each / "model" / store.WEIGHTS) for each in (folder, straight)]
    assert weights[0] == weights[1]
    # A whole model is one for those who ask for the gate too.
    call(True)
    assert store.describe(folder / "model")["updates"] == 12


def test_a_run_that_uses_context_passes(call, one_thread, monkeypatch):
    monkeypatch.setattr("hubert_iter.train.guesses.warning", lambda values, last: None)
    folder = call(True)
    assert store.describe(folder / "model")["updates"] == 12 and not (folder / gate.FILE).exists()


NIGHT = {
    "HuBERT 1": ((0.034, 0.067), (0.042, 0.068), (0.061, 0.067), (0.079, 0.069)),
    "HuBERT 2": ((0.058, 0.153), (0.079, 0.152), (0.102, 0.152), (0.122, 0.151)),
    "wav2vec 2.0": ((0.102, 0.149), (0.088, 0.139), (0.099, 0.127), (0.125, 0.145)),
}
"""Accuracy and what is wanted after 300 to 1200 of mini_night's 2400 updates. All use context at the end."""


@pytest.mark.parametrize("name", list(NIGHT))
def test_runs_of_the_night_that_learnt_would_have_passed(name):
    told = [
        {"update": 300 * (place + 1), "accuracy": accuracy, "guess": wanted, "guess_margin": 0.0}
        for place, (accuracy, wanted) in enumerate(NIGHT[name])
    ]
    assert not gate.hopeless(told, 2400)


def test_a_run_that_hardly_rises_is_stopped():
    told = [
        {"update": 300 * place, "accuracy": 0.03 + 0.002 * place, "guess": 0.2, "guess_margin": 0.01}
        for place in range(1, 5)
    ]
    assert gate.hopeless(told, 2400) and gate.hopeless(told[:1], 2400)


def test_the_update_where_it_would_get_there_is_not_rounded_for_the_gate():
    told = [
        {"update": update, "accuracy": accuracy, "guess": 0.2, "guess_margin": 0.0005}
        for update, accuracy in ((300, 0.13), (450, 0.145), (600, 0.16))
    ]
    assert [gate.hopeless(told, updates) for updates in (1000, 1010)] == [True, False]  # it would at 1005
