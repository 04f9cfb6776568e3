"""Several processes do what one does with as many batches: same data, same draws, losses over all masked frames."""

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from safetensors.torch import load_file
from tiny import Corpus, write_noise
from trainings import MODEL, TRAIN, TWO_PROCESSES, start, wait_for

from hubert_iter.models import store

UPDATES = 6
ROWS = {
    "hubert": {"objective": "hubert", "targets": "mfcc", "k": 7},
    "unmasked": {"objective": "hubert", "targets": "mfcc", "k": 7, "set": {"objective.unmasked_weight": 0.5}},
    "chubert": {"objective": "chubert", "targets": "mfcc", "k": 7},
    "wav2vec2": {"objective": "wav2vec2"},
    "online": {"objective": "online", "set": {"objective.codes": 7, "objective.tap": 1}},
}


@pytest.fixture
def conf(tmp_path) -> Path:
    """With layerdrop and dropout, so that what is drawn at random counts, and checkpoints at every update."""
    files = {
        "model/m": {**MODEL, "layers": 3, "layerdrop": 0.4},
        "train/t": {**TRAIN, "log_every": 1, "checkpoint_every": 3, "valid_every": UPDATES},
        "study/s": {"model": "m", "train": "t", "updates": UPDATES, "runs": ROWS},
    }
    for name, values in files.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
    return tmp_path / "conf"


def launch(conf: Path, corpus: Corpus, out: Path, run: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen:
    values = {
        "study": conf / "study/s.yaml", "name": run, "conf_dirs": conf, "out": out,
        "data": corpus.data, "valid_data": corpus.valid_data,
    }  # fmt: skip
    if "targets" in ROWS[run]:
        values |= {"labels": corpus.labels, "valid_labels": corpus.valid_labels}
    words = [word for key, value in values.items() for word in (f"--{key}", str(value))]
    return start(*launcher, "-m", "hubert_iter.bin.train", *words)


def train(*args) -> None:
    process = launch(*args)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_alike(one: Path, other: Path) -> None:
    for first, second in zip(rows(one), rows(other), strict=True):
        assert (first["update"], first["split"]) == (second["update"], second["split"])
        for name in first.keys() - {"split", "seconds", "audio_per_second"}:
            assert second[name] == pytest.approx(first[name], rel=2e-4, abs=2e-5), (first["update"], name)
    weights = [load_file(folder / "model" / store.WEIGHTS) for folder in (one, other)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=2e-5, msg=name)


@pytest.mark.parametrize("run", [name for name in ROWS if name != "hubert"])
def test_two_processes_train_as_one_with_twice_the_batches(conf, corpus, tmp_path, one_thread, run):
    train(conf, corpus, tmp_path / "one", run)
    train(conf, corpus, tmp_path / "two", run, TWO_PROCESSES)
    assert_alike(tmp_path / "one", tmp_path / "two")


def test_a_training_goes_on_with_another_number_of_processes(conf, corpus, tmp_path, one_thread):
    train(conf, corpus, tmp_path / "one", "hubert")
    process = launch(conf, corpus, tmp_path / "run", "hubert", TWO_PROCESSES)
    wait_for(tmp_path / "run/checkpoints/update_3", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    train(conf, corpus, tmp_path / "run", "hubert")
    assert_alike(tmp_path / "one", tmp_path / "run")


def long_study(conf: Path, updates: int) -> None:
    study = yaml.safe_load((conf / "study/s.yaml").read_text()) | {"updates": updates}
    (conf / "study/s.yaml").write_text(yaml.safe_dump(study))


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_torchrun_hands_on_what_clusters_and_terminals_say(conf, corpus, tmp_path, one_thread, number):
    long_study(conf, 5000)
    process = launch(conf, corpus, tmp_path / "run", "wav2vec2", TWO_PROCESSES)
    wait_for(tmp_path / "run/checkpoints/update_3", process)
    process.send_signal(number)
    output = process.communicate(timeout=120)[0]  # which ends when all processes have
    assert process.returncode == 128 + number
    assert "the state is saved" in output
    assert "Traceback" not in output


def test_where_one_process_dies_the_others_end_and_say_so(conf, corpus, tmp_path, one_thread):
    """Without torchrun, which would end the others itself: so it is on another machine."""
    values = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29641", "WORLD_SIZE": "2"}
    long_study(conf, 5000)
    processes = []
    for rank in (0, 1):
        os.environ |= values | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        processes.append(launch(conf, corpus, tmp_path / "run", "wav2vec2"))
    for name in (*values, "RANK", "LOCAL_RANK"):
        del os.environ[name]
    wait_for(tmp_path / "run/checkpoints/update_3", processes[0])
    processes[1].kill()
    began = time.monotonic()
    try:
        output = processes[0].communicate(timeout=120)[0]
    finally:
        processes[0].kill()
    assert time.monotonic() - began < 60
    assert processes[0].returncode == 1
    assert "process 0 of 2: another process of this training (of rank 1) has ended" in output.splitlines()[-1]


def test_the_message_of_a_process_that_fails_is_the_last_but_one(conf, corpus, tmp_path):
    (conf / "train/t.yaml").write_text(yaml.safe_dump({**TRAIN, "max_skipped": 1}))
    write_noise(tmp_path / "broken", 6, 3.0, 0)
    for path in (tmp_path / "broken_audio").iterdir():
        samples = np.full(soundfile.info(path).frames, np.nan, np.float32)
        soundfile.write(path, samples, 16000, format="WAV", subtype="FLOAT")
    broken = replace(corpus, data=tmp_path / "broken")
    long_study(conf, 200)
    process = launch(conf, broken, tmp_path / "run", "wav2vec2", TWO_PROCESSES)
    lines = process.communicate(timeout=300)[0].splitlines()
    assert process.returncode == 1
    assert lines[-1].startswith("ERROR: process ") and "Traceback" not in "".join(lines[-3:])
    assert any("not finite" in line for line in lines[-6:])


def test_who_does_not_come_is_named_with_the_settings_to_look_at(conf, corpus, tmp_path, monkeypatch):
    for name, value in {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29642", "WORLD_SIZE": "2", "RANK": "0", "HUBERT_ITER_PATIENCE": "3",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    process = launch(conf, corpus, tmp_path / "run", "wav2vec2")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    for word in ("process 0 of 2", "127.0.0.1:29642", "GLOO_SOCKET_IFNAME", "HUBERT_ITER_PATIENCE"):
        assert word in output.splitlines()[-1]
