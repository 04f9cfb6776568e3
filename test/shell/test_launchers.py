"""utils/local.py and utils/slurm.py: the contract of Kaldi's run.pl, and failures."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hubert_iter.bin.torchrun import SHUTDOWN_SECONDS

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "egs/TEMPLATE/ssl1/utils"

# Stands in for sbatch: runs the array's jobs one after another, as Slurm would elsewhere.
FAKE_SBATCH = """#!/usr/bin/env bash
printf '%s\\n' "$@" >>"{calls}"
for word in "$@"; do
    case ${{word}} in
        --array=*) range=${{word#--array=}} ;;
        --wrong) exit 1 ;;
    esac
    script=${{word}}
done
range=${{range:-1-1}}
range=${{range%%%*}}
echo "4711;cluster"
status=0
for ((job = ${{range%-*}}; job <= ${{range#*-}}; job++)); do
    [ "{lost}" = "${{job}}" ] && continue
    SLURM_JOB_ID=4711 SLURM_ARRAY_TASK_ID=${{job}} bash "${{script}}" || status=1
done
exit ${{status}}
"""


class Launcher:
    """Calls a launcher in a folder with a space in its name."""

    def __init__(self, name: str, folder: Path, lost: str = ""):
        """Put a fake sbatch on PATH; it loses one job when told."""
        self.program = UTILS / name
        self.cwd = folder / "a folder"
        (folder / "bin").mkdir()
        self.cwd.mkdir()
        self.calls = folder / "calls"
        sbatch = folder / "bin/sbatch"
        sbatch.write_text(FAKE_SBATCH.format(calls=self.calls, lost=lost))
        sbatch.chmod(0o755)
        path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "SLURM_LOG_PATIENCE": "0.3"}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run it to its end."""
        command = [sys.executable, self.program, *arguments]
        return subprocess.run(command, cwd=self.cwd, env=self.environment, capture_output=True, text=True, timeout=60)

    def read(self, name: str) -> str:
        """A file that a job wrote."""
        return (self.cwd / name).read_text()


@pytest.fixture(params=["local.py", "slurm.py"])
def launch(request, tmp_path):
    """Each launcher: they must not differ in what they do."""
    return Launcher(request.param, tmp_path)


def test_single_job(launch):
    result = launch("--mem", "1G", "log/a.log", "echo", "two words", "$HOME", "it's", "*")
    assert result.returncode == 0, result.stderr
    log = launch.read("log/a.log").splitlines()
    assert "two words $HOME it's *" in log
    assert "echo 'two words'" in log[0]
    assert log[1].startswith("# started 20")
    assert log[-1].startswith("# ended 20")
    assert log[-1].endswith("with status 0")


def test_job_array(launch):
    result = launch("JOB=2:4", "--max-jobs", "2", "log dir/x.JOB.log", sys.executable, "-c", "print(6 * JOB, 'of JOB')")
    assert result.returncode == 0, result.stderr
    assert sorted(os.listdir(launch.cwd / "log dir")) == ["x.2.log", "x.3.log", "x.4.log"]
    assert "18 of 3" in launch.read("log dir/x.3.log").splitlines()


def test_pipes_given_as_words(launch):
    result = launch("x.log", "printf", "b\\na\\n", "|", "sort", "|", "tee", "out put.txt")
    assert result.returncode == 0, result.stderr
    assert launch.read("out put.txt") == "a\nb\n"
    assert launch("x.log", "false", "|", "cat").returncode == 1


def test_failing_jobs_are_named_with_the_end_of_the_log(launch):
    code = "import sys; print('\\n'.join(f'line {i} of JOB' for i in range(40))); sys.exit(3 if JOB == 2 else 0)"
    result = launch("JOB=1:2", "x.JOB.log", sys.executable, "-c", code)
    assert result.returncode == 1
    assert "x.2.log" in result.stderr
    assert "line 39 of 2" in result.stderr
    assert "line 5 of 2" not in result.stderr
    assert "exit status 3" in result.stderr
    assert launch.read("x.2.log").rstrip().endswith("with status 3")


def test_missing_program(launch):
    result = launch("x.log", "no_such_program_here", "1")
    assert result.returncode == 1
    assert "no_such_program_here" in result.stderr


def test_killed_job(launch):
    result = launch("x.log", "bash", "-c", "kill -9 $$")
    assert result.returncode == 1
    assert "x.log" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--gpus", "1", "x.log", "true"],
        ["--gpu", "many", "x.log", "true"],
        ["JOB=1:3", "x.log", "true"],
        ["JOB=3:1", "x.JOB.log", "true"],
        ["x.log"],
        [],
        ["--mem"],
    ],
)
def test_wrong_command_lines(launch, arguments):
    result = launch(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(launch.program.name)
    assert list(launch.cwd.iterdir()) == []


def alive(process: int) -> bool:
    """Is it running (and not a zombie)?"""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_job_outlives_the_launcher(tmp_path, number):
    launch = Launcher("local.py", tmp_path)
    code = "import os, time; open('pid.tmp', 'w').write(str(os.getpid())); os.rename('pid.tmp', 'pid'); time.sleep(60)"
    command = [sys.executable, launch.program, "x.log", sys.executable, "-c", code]
    process = subprocess.Popen(
        command, cwd=launch.cwd, env=launch.environment, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_until((launch.cwd / "pid").exists)
    job = int(launch.read("pid"))
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode != 0
    wait_until(lambda: not alive(job))


def wait_until(condition, seconds: float = 20.0) -> None:
    """Wait, not for ever."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_two_calls_with_one_log_do_not_write_into_each_others(launch):
    """A recipe is called again while a job of the call before still runs: the new job's log is its own."""
    launch.environment["SLURM_LOG_PATIENCE"] = "10"
    wait = "while [ ! -e second ]; do sleep 0.02; done; sleep 0.3; echo of the first call"
    first = subprocess.Popen(
        [sys.executable, launch.program, "x.log", "bash", "-c", f"echo {'long ' * 99}; touch first; {wait}"],
        cwd=launch.cwd, env=launch.environment,
    )  # fmt: skip
    wait_until((launch.cwd / "first").exists)
    assert launch("x.log", "bash", "-c", "touch second; echo of the second call; sleep 0.6").returncode == 0
    assert first.wait(timeout=20) == 0
    lines = launch.read("x.log").splitlines()
    assert lines[2] == "of the second call"
    assert "of the first call" not in lines
    assert len([line for line in lines if line.startswith("# ended")]) == 1
    assert "\0" not in launch.read("x.log")


def test_who_tells_a_training_to_stop_leaves_it_time_to_save():
    """torchrun's limit, the shortest, so that it still can say which process it has killed."""
    local = int(re.search(r"GRACE_SECONDS = (\d+)", (UTILS / "local.py").read_text())[1])
    slurm = int(re.search(r"--signal=B:USR1@(\d+)", (ROOT / "conf/slurm.conf").read_text())[1])
    assert SHUTDOWN_SECONDS < local < slurm


def test_local_runs_no_more_jobs_than_allowed(tmp_path):
    launch = Launcher("local.py", tmp_path)
    count = "len([name for name in os.listdir('.') if name[:3] == 'on.'])"
    code = f"import os, time; open('on.JOB', 'w'); time.sleep(0.3); print('on', {count}); os.remove('on.JOB')"
    command = ["JOB=1:5", "x.JOB.log", sys.executable, "-c", code]
    assert launch("--max-jobs", "2", *command).returncode == 0
    lines = [line for job in range(1, 6) for line in launch.read(f"x.{job}.log").splitlines()]
    counts = [int(line.split()[1]) for line in lines if line.startswith("on ")]
    assert len(counts) == 5
    assert max(counts) == 2


@pytest.mark.parametrize(("wanted", "given", "shares"), [
    ("1", None, {"0", "1", "2", "3"}),
    ("2", None, {"0,1", "2,3"}),
    ("2", "3,5,7", {"3,5"}),
])  # fmt: skip
def test_local_jobs_of_an_array_have_gpus_of_their_own(tmp_path, wanted, given, shares):
    launch = Launcher("local.py", tmp_path)
    driver = tmp_path / "bin/nvidia-smi"
    driver.write_text("#!/bin/sh\nfor n in 0 1 2 3; do echo GPU $n: of a test; done\n")
    driver.chmod(0o755)
    launch.environment.pop("CUDA_VISIBLE_DEVICES", None)
    if given:
        launch.environment["CUDA_VISIBLE_DEVICES"] = given
    # A job whose GPUs another has at the same time fails.
    work = (
        'mkdir "$CUDA_VISIBLE_DEVICES" && sleep 0.3 && rmdir "$CUDA_VISIBLE_DEVICES" && echo "on $CUDA_VISIBLE_DEVICES"'
    )
    result = launch("--gpu", wanted, "JOB=1:6", "x.JOB.log", "bash", "-c", work)
    assert result.returncode == 0, result.stderr
    lines = [line for job in range(1, 7) for line in launch.read(f"x.{job}.log").splitlines()]
    assert {line.removeprefix("on ") for line in lines if line.startswith("on ")} == shares


def test_slurm_options_come_from_the_configuration(tmp_path):
    launch = Launcher("slurm.py", tmp_path)
    (launch.cwd / "conf").mkdir()
    (launch.cwd / "conf/slurm.conf").write_text(
        "command sbatch --export=ALL\noption mem=* --mem $0  # memory\noption gpu=* --gres=gpu:$0\n"
        "option gpu=0 --cpu-only\ndefault gpu=0\n"
    )
    assert launch("--mem", "2G", "JOB=1:2", "--max-jobs-run", "7", "x.JOB.log", "true").returncode == 0
    words = launch.calls.read_text().splitlines()
    assert words[words.index("--mem") + 1] == "2G"
    assert "--cpu-only" in words
    assert "--array=1-2%7" in words
    assert "--wait" in words
    launch.calls.unlink()
    assert launch("--gpu", "4", "y.log", "true").returncode == 0
    assert "--gres=gpu:4" in launch.calls.read_text().splitlines()
    refused = launch("--time", "1:00", "y.log", "true")
    assert refused.returncode == 2
    assert "--time" in refused.stderr


def test_slurm_refusal_and_lost_jobs(tmp_path):
    launch = Launcher("slurm.py", tmp_path, lost="2")
    (launch.cwd / "wrong.conf").write_text("command sbatch --wrong\n")
    refused = launch("--config", "wrong.conf", "x.log", "true")
    assert refused.returncode == 1
    assert "wrong.conf" in refused.stderr
    # A job that leaves no status behind has failed, even when sbatch says that all went well.
    lost = launch("JOB=1:2", "x.JOB.log", "true")
    assert lost.returncode == 1
    assert "1 of 2 jobs failed" in lost.stderr


def test_what_a_job_warned_of_is_told_once(tmp_path):
    lines = [
        "2026-01-01 10:00:00 INFO making something of no interest",
        "2026-01-01 10:00:01 INFO align: making out (not made yet)",
        "2026-01-01 10:00:02 WARNING update 500: it copies (0.201 against 0.199)",
        "2026-01-01 10:00:03 WARNING 3 words were pronounced by rule: look at out/guessed.dict",
        "2026-01-01 10:00:04 WARNING update 1000: it copies (0.211 against 0.200)",
    ]
    (tmp_path / "said").write_text("\n".join(lines))
    script = f". {UTILS}/jobs.sh; job {UTILS}/local.py {tmp_path}/log cat {tmp_path}/said"
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert told.stdout.splitlines() == [
        "align: making out (not made yet)",
        "WARNING update 500: it copies (0.201 against 0.199)",
        "WARNING 3 words were pronounced by rule: look at out/guessed.dict",
    ], told.stderr
