"""The recipe over a real Slurm: a controller and two nodes on this machine, started by tools/slurm_here.sh."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from recipe_runs import Folders, end_of, wait_until
from tiny import ROOT

from hubert_iter.provenance import file_hash

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason="no Slurm here (apt-get install slurmctld slurmd slurm-client munge)"
)
LAUNCHER = [sys.executable, str(ROOT / "egs/TEMPLATE/ssl1/utils/slurm.py"), "--config", str(ROOT / "conf/slurm.conf")]
WORKER = """
import pathlib, signal, sys, time
state = pathlib.Path("state")
done = int(state.read_text()) if state.exists() else 0
def save(*_):
    state.write_text(str(done))
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
while done < 40:
    time.sleep(0.1)
    done += 1
    print("done", done, flush=True)
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A running Slurm; its environment is this process's while the tests run."""
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # names of sockets are short
    tool = [str(ROOT / "tools/slurm_here.sh"), "--folder", str(folder)]
    subprocess.run(tool, check=True, timeout=120)
    before = dict(os.environ)
    os.environ |= {"SLURM_CONF": str(folder / "slurm.conf"), "cmd_backend": "slurm", "OMP_NUM_THREADS": "1"}
    yield tool
    os.environ.clear()
    os.environ.update(before)
    subprocess.run([*tool, "--action", "stop"], check=True, timeout=60)
    shutil.rmtree(folder, ignore_errors=True)


def jobs(form: str) -> list[str]:
    return subprocess.run(["squeue", "-h", "-o", form], capture_output=True, text=True, check=True).stdout.split()


def start_again() -> None:
    """Slurm lets a requeued job wait for two minutes."""
    wait_until(lambda: "PENDING" in jobs("%T"), 120)
    for job in jobs("%i"):
        subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)


def worker(folder: Path, *options: str) -> subprocess.Popen:
    (folder / "work.py").write_text(WORKER)
    return subprocess.Popen(
        [*LAUNCHER, *options, sys.executable, "work.py"], cwd=folder, stderr=subprocess.PIPE, text=True
    )


def at_work(log: Path) -> None:
    wait_until(lambda: log.exists() and "done 5\n" in log.read_text(), 60)


def test_a_failing_member_of_an_array_is_named_with_its_log(slurm, tmp_path):
    command = ["JOB=1:3", "log/x.JOB.log", "bash", "-c", "echo member JOB; exit $((JOB == 2 ? 3 : 0))"]
    ended = subprocess.run([*LAUNCHER, *command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "1 of 3 jobs failed (exit status 3)" in ended.stderr and "log/x.2.log" in ended.stderr
    assert "member 3" in (tmp_path / "log/x.3.log").read_text()


def test_a_cancelled_job_saves_first(slurm, tmp_path):
    process = worker(tmp_path, "w.log")
    at_work(tmp_path / "w.log")
    subprocess.run(["scancel", *jobs("%i")], check=True)
    assert process.wait(60) == 1
    assert int((tmp_path / "state").read_text()) >= 5
    assert "exit status 143" in process.stderr.read()


def test_an_ended_launcher_takes_its_job_along(slurm, tmp_path):
    process = worker(tmp_path, "w.log")
    at_work(tmp_path / "w.log")
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    wait_until(lambda: not jobs("%i"), 60)
    assert int((tmp_path / "state").read_text()) >= 5


def test_a_job_that_is_told_of_its_time_limit_goes_back_into_the_queue_and_goes_on(slurm, tmp_path):
    process = worker(tmp_path, "w.log")
    at_work(tmp_path / "w.log")
    subprocess.run(["scancel", "--signal=USR1", "--batch", *jobs("%i")], check=True)
    start_again()
    assert process.wait(120) == 0
    log = (tmp_path / "w.log").read_text()
    assert "back into the queue" in log and log.count("# started") == 2
    assert log.count("done 6\n") == 1, "it went on from where it was"


def test_a_training_that_is_requeued_ends_with_the_same_bytes(slurm, finished, tmp_path):
    call = (
        "--stage",
        "7",
        "--stop_stage",
        "7",
        "--runs",
        "hubert_it1.1",
        "--train_args",
        "updates=60 checkpoint_every=5",
    )
    name = "exp/ci+checkpoint_every=5+updates=60/hubert_it1"
    straight, interrupted = (Folders(tmp_path / each) for each in ("straight", "interrupted"))
    for folders in (straight, interrupted):
        shutil.copytree(finished[0].root, folders.root, symlinks=True)
        made = folders.run("--stage", "5", "--stop_stage", "6", *call[4:])
        assert made.returncode == 0, end_of(made.stdout)
    done = straight.run(*call)
    assert done.returncode == 0, end_of(done.stdout)
    process = subprocess.Popen(interrupted.command(*call), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    saved = interrupted.root / name / "checkpoints/update_10"
    wait_until(saved.exists)
    subprocess.run(["scancel", "--signal=USR1", "--batch", *jobs("%i")], check=True)
    start_again()
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, end_of(output)
    weights = [file_hash(folders.root / name / "model/model.safetensors") for folders in (straight, interrupted)]
    assert weights[0] == weights[1]
    assert "told to stop" in (interrupted.root / name / "train.log").read_text()


def test_the_whole_recipe_makes_over_slurm_what_it_makes_here(slurm, finished, tmp_path):
    folders = Folders(tmp_path / "over slurm")
    result = folders.run()
    assert result.returncode == 0, end_of(result.stdout)
    here, there = (
        {path.relative_to(root): file_hash(path) for path in sorted(root.rglob("model/model.safetensors"))}
        for root in (finished[0].root, folders.root)
    )
    assert here == there and len(here) >= 8
    assert "Slurm job" in (folders.exp / "ci/log/train_hubert_it2.log").read_text()
    again = folders.run()
    assert again.returncode == 0 and ": making" not in again.stdout, end_of(again.stdout)


def test_the_job_of_a_node_that_dies_goes_on_at_another_one(slurm, tmp_path):
    """The last test: the node stays down."""
    process = worker(tmp_path, "w.log")
    at_work(tmp_path / "w.log")
    node = jobs("%N")[0]
    subprocess.run([*slurm, "--action", "kill_node", "--node", node], check=True)
    subprocess.run(["pkill", "-KILL", "-f", "^\\S+ work.py$"], check=False)
    began = time.monotonic()
    start_again()
    assert process.wait(120) == 0
    assert time.monotonic() - began < 120
    log = (tmp_path / "w.log").read_text()
    assert log.count("# started") == 2 and "done 40" in log
