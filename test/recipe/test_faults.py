"""Each stage killed half-way, and a disk that fills up: the same command goes on from there."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from recipe_runs import Folders, end_of, outcome, running, wait_until

STAGES = {
    1: "data/valid",
    2: "dump/data/train",
    3: "dump/alignments/eval",
    4: "dump/mfcc/train",
    5: "dump/ci/units/mfcc_k20/kmeans",
    6: "dump/ci/units/mfcc_k20/train",
    8: "exp/ci/hubert_it1/layers",
    9: "exp/ci/hubert_it1/measures/cca",
    10: "dump/ci/units/mfcc_k20/quality",
    11: "exp/ci/report",
    12: "exp/ci/hubert_it1/export/huggingface",
}
"""A folder that each stage makes. Stage 7 resumes instead of repeating: test_synth_recipe.py."""


@pytest.mark.parametrize("stage", STAGES)
def test_killed_stage_is_repeated_with_the_same_outcome(copy: Folders, stage):
    folder = copy.root / STAGES[stage]
    before = outcome(folder)
    shutil.rmtree(folder)
    shutil.rmtree(copy.dump / "mfcc/train.parts", ignore_errors=True)
    options = ("--stage", str(stage), "--stop_stage", str(stage))
    command = copy.command(*options)
    shell = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        # The unfinished folder; very short stages may be over before it is seen.
        unfinished = folder.with_name(folder.name + ".tmp")
        wait_until(lambda: unfinished.exists() or folder.exists() or shell.poll() is not None)
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    wait_until(lambda: not running(str(copy.root)))
    again = copy.run(*options)
    assert again.returncode == 0, end_of(again.stdout)
    assert not unfinished.exists()
    assert outcome(folder) == before


@pytest.fixture
def small_disk(tmp_path) -> Path:
    folder = tmp_path / "small disk"
    folder.mkdir()
    if os.geteuid() != 0 or mount(folder, "size=1m") != 0:
        pytest.skip("mounting a small file system needs rights that this user lacks")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def mount(folder: Path, options: str) -> int:
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True).returncode


# 1: FLAC and tables; 4: archives; 7: checkpoints; 8: arrays. Each is written by another library.
@pytest.mark.parametrize(
    ("stage", "stop_stage", "options"),
    [(1, 1, ("--datadir",)), (4, 4, ("--dumpdir",)), (7, 8, ("--expdir",))],
    ids=["data", "features", "training"],
)
def test_full_disk_is_named_and_space_mends_it(copy: Folders, small_disk: Path, stage, stop_stage, options):
    if stage == 4:
        for name in ("data", "alignments"):
            shutil.copytree(copy.dump / name, small_disk / name)
    words = (
        "--stage",
        str(stage),
        "--stop_stage",
        str(stop_stage),
        "--runs",
        "hubert_it1",
        options[0],
        str(small_disk),
    )
    full = copy.run(*words)
    assert full.returncode != 0, end_of(full.stdout)
    assert "space" in full.stdout.lower(), end_of(full.stdout)
    assert "Traceback" not in full.stdout, end_of(full.stdout)
    assert mount(small_disk, "remount,size=200m") == 0
    again = copy.run(*words)
    assert again.returncode == 0, end_of(again.stdout)
