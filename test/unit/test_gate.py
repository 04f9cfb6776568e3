"""The gate: a run that has learnt nothing by half of its updates is stopped, with what it has."""

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


@pytest.mark.parametrize(("needs_labels", "first"), [(True, 1200), (False, 1800)])
def test_targets_learnt_online_have_longer(needs_labels, first):
    assert not gate.reached(first - 1, 2400, needs_labels) and gate.reached(first, 2400, needs_labels)
