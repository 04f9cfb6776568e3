"""A run that fails does not stop those that do not need it: stages 5 to 9 with a stand-in for Python."""

import os
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
STUDY = {
    "model": "tiny",
    "train": "demo",
    "updates": 30,
    "k": 20,
    "runs": {
        "bad": {"objective": "hubert", "targets": "mfcc"},
        "pupil": {"objective": "hubert", "targets": "bad@1"},
        "warm": {"objective": "wav2vec2", "init": "bad"},
        "legs": {"objective": "hubert", "targets": "mfcc", "refresh": {"every": 10, "tap": 1}},
        "free": {"objective": "wav2vec2"},
    },
}
STAND_IN = """#!/usr/bin/env bash
# Python for the plan and the recipe's own checks; every job only says what it was, fails or leaves a model.
set -euo pipefail
case "$*" in *hubert_iter.bin.plan* | *hubert_iter.bin.options*) exec "{python}" "$@" ;; esac
echo "$*" >>"{calls}"
case "$*" in *{fails}*) exit 1 ;; *hubert_iter.bin.train*) ;; *) exit 0 ;; esac
{slow}
while [ "$1" != --out ]; do shift; done
mkdir -p "$2/model" && touch "$2/model/provenance.json"
"""


@pytest.fixture
def recipe(tmp_path):
    """A function of what is to fail: the recipe's outcome, and the calls of entry points; its process, where slow."""
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    python, calls = tmp_path / "python", tmp_path / "calls"

    def run(fails: str, *options: str, slow: str = ""):
        python.write_text(STAND_IN.format(python=sys.executable, calls=calls, fails=fails, slow=slow))
        python.chmod(0o755)
        calls.write_text("")
        words = ("--study", tmp_path / "s.yaml", "--python", python, "--dumpdir", tmp_path / "dump")
        process = subprocess.Popen(
            [ROOT / "egs/synth/ssl1/run.sh", *words, "--expdir", tmp_path / "exp", *options],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        if slow:
            return process
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err), calls.read_text().splitlines()

    return run


def of(calls: list[str], entry: str, option: str) -> list[str]:
    """The values of an option in the calls of an entry point."""
    return [call.split(f"{option} ")[1].split()[0] for call in calls if f"bin.{entry} " in call]


def test_the_others_go_on_and_the_end_names_it_with_its_log(recipe, tmp_path):
    result, calls = recipe("'--name bad '*", "--stage", "5", "--stop_stage", "9")
    assert result.returncode == 1
    assert of(calls, "train", "--name") == ["bad", "legs.leg1", "legs.leg2", "legs", "free"]
    scored = ["mfcc", "logmel", "legs", "free"]
    assert of(calls, "pool_layers", "--name") == scored
    assert [Path(path).parent.name for path in of(calls, "score", "--layers")] == scored
    log = tmp_path / "exp/s/log/train_bad.log"
    assert result.stderr.splitlines()[-3:] == [
        f"ERROR: ssl.sh: bad failed: {log}",
        "ERROR: ssl.sh: pupil failed: it needs bad",
        "ERROR: ssl.sh: warm failed: it needs bad",
    ]
    assert log.is_file()


def test_a_run_stopped_at_the_gate_is_scored_and_its_pupils_are_left_out(recipe, tmp_path):
    (tmp_path / "exp/s/bad").mkdir(parents=True)
    (tmp_path / "exp/s/bad/gate.txt").write_text("stopped at the gate, update 15: it copies\n")
    result, calls = recipe("nothing", "--stage", "7", "--stop_stage", "8", "--gate", "true", "--runs", "bad pupil free")
    assert result.returncode == 1
    assert of(calls, "train", "--gate") == ["true", "true"]
    assert of(calls, "pool_layers", "--name") == ["mfcc", "logmel", "bad", "free"]
    assert "bad: stopped at the gate, update 15: it copies" in result.stdout
    assert result.stderr.splitlines()[-1:] == [
        "ERROR: ssl.sh: pupil failed: it needs bad, which was stopped at the gate"
    ]


@pytest.mark.parametrize("options", [("--checkpoints", "true"), ("--dynamics", "free")])
def test_a_checkpoint_that_is_the_model_itself_is_not_scored_twice(recipe, tmp_path, options):
    for update in (10, 20, 30):
        (tmp_path / f"exp/s/free/checkpoints/update_{update}").mkdir(parents=True)
    result, calls = recipe("nothing", "--stage", "8", "--stop_stage", "8", "--runs", "free", *options)
    assert result.returncode == 0, result.stderr
    scored = [Path(path).name for path in of(calls, "pool_layers", "--out") if "/free/" in path]
    assert scored == ["layers", "layers_10", "layers_20"]


def test_dynamics_of_a_run_that_is_not_in_the_study_are_refused_at_once(recipe):
    result, calls = recipe("nothing", "--dynamics", "fre")
    assert result.returncode == 1 and "--dynamics: no run 'fre' in the study" in result.stderr and not calls


def test_a_leg_that_fails_ends_its_run_alone(recipe):
    result, calls = recipe("legs.leg1@1_k20/kmeans*", "--stage", "5", "--stop_stage", "8")
    assert result.returncode == 1
    assert of(calls, "train", "--name") == ["bad", "pupil", "warm", "legs.leg1", "free"]
    assert of(calls, "pool_layers", "--name") == ["mfcc", "logmel", "bad", "pupil", "warm", "free"]
    assert "legs.leg2 failed: " in result.stderr and "kmeans_legs.leg1@1_k20.log" in result.stderr
    assert "legs failed: it needs legs.leg2" in result.stderr


def test_a_measure_that_fails_leaves_the_other_networks_measured(recipe):
    result, calls = recipe("*'bin.score '*'/free/'*", "--stage", "5", "--stop_stage", "9")
    assert result.returncode == 1
    assert len(of(calls, "score", "--layers")) == 7
    assert result.stderr.splitlines()[-1].endswith("/log/measures_free.log")


def test_legs_go_on_from_each_other(recipe, tmp_path):
    result, calls = recipe("nothing", "--stage", "5", "--stop_stage", "7", "--runs", "legs")
    assert result.returncode == 0, result.stderr
    exp = tmp_path / "exp/s"
    trained = [call for call in calls if "bin.train " in call]
    assert "--continues" not in trained[0]
    assert of(trained[1:], "train", "--continues") == [f"{exp}/legs.leg1", f"{exp}/legs.leg2"]
    assert of(trained[1:], "train", "--teacher_model") == [f"{exp}/legs.leg1/model", f"{exp}/legs.leg2/model"]


def test_independent_runs_train_side_by_side_and_each_after_its_teacher(recipe, tmp_path):
    result, calls = recipe("nothing", "--stage", "5", "--stop_stage", "7", "--run_jobs", "3")
    assert result.returncode == 0, result.stderr
    order = of(calls, "train", "--name")
    assert sorted(order) == sorted(["bad", "pupil", "warm", "legs.leg1", "legs.leg2", "legs", "free"])
    for teacher, student in (("bad", "pupil"), ("bad", "warm"), ("legs.leg1", "legs.leg2"), ("legs.leg2", "legs")):
        assert order.index(teacher) < order.index(student)
    # Both want the labels mfcc_k20, which are made once and found by the second.
    made = [call for call in calls if "bin.fit_kmeans" in call and "/mfcc_k20/" in call]
    assert len(made) == 2


@pytest.mark.parametrize("option", ["--run_jobs", "--num_nodes"])  # several machines for one training after another
def test_one_at_a_time_they_train_in_the_table_s_order(recipe, option):
    number = {"--run_jobs": "1", "--num_nodes": "2"}[option]
    result, calls = recipe("nothing", "--stage", "5", "--stop_stage", "7", option, number)
    assert result.returncode == 0, result.stderr
    order = [name for name, _on_each_machine in groupby(of(calls, "train", "--name"))]
    assert order == ["bad", "pupil", "warm", "legs.leg1", "legs.leg2", "legs", "free"]


def test_side_by_side_too_a_failure_stops_its_pupils_alone(recipe, tmp_path):
    result, calls = recipe("'--name bad '*", "--stage", "5", "--stop_stage", "7", "--run_jobs", "3")
    assert result.returncode == 1
    assert sorted(of(calls, "train", "--name")) == sorted(["bad", "legs.leg1", "legs.leg2", "legs", "free"])
    assert f"ERROR: ssl.sh: bad failed: {tmp_path}/exp/s/log/train_bad.log" in result.stderr
    assert "ERROR: ssl.sh: pupil failed: it needs bad" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_all_runs_stop_and_the_recipe_waits_for_them(recipe, tmp_path, number):
    """As Ctrl-C on a terminal: the signal reaches the whole process group."""
    slow = 'trap "sleep 1; echo saved >>{saved}; exit 143" TERM; sleep 60 & wait'
    saved = tmp_path / "saved"
    process = recipe("nothing", "--stage", "5", "--stop_stage", "7", "--run_jobs", "2", slow=slow.format(saved=saved))
    deadline = time.monotonic() + 60
    while len(of((tmp_path / "calls").read_text().splitlines(), "train", "--name")) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    time.sleep(0.5)
    os.killpg(process.pid, number)
    process.communicate(timeout=60)  # until all that write to the terminal have ended
    assert process.returncode in (128 + number, -number)  # run.sh itself may die of the signal at once
    assert saved.read_text() == "saved\nsaved\n"
