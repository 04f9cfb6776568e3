"""Trainings of seconds, in processes of their own that can be killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tiny import ROOT

MODEL = {
    "conv_channels": 8, "width": 16, "layers": 2, "heads": 2, "feedforward": 32,
    "position_kernel": 8, "position_groups": 2,
}  # fmt: skip
TRAIN = {
    "batch_seconds": 8.0, "device_seconds": 4.0, "max_crop_seconds": 2.0, "learning_rate": 1e-3, "precision": "float32",
    "workers": 1, "log_every": 2, "valid_every": 6, "checkpoint_every": 4,
}  # fmt: skip
TWO_PROCESSES = ("-m", "hubert_iter.bin.torchrun", "--standalone", "--nproc_per_node", "2")


def start(*words: str) -> subprocess.Popen:
    """Python with these arguments; what it says is one stream."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)
