"""The benchmarks run and print their ratio; how large it is is no test's business."""

import re
import subprocess
import sys

from tiny import ROOT

STEP = ("--size", "tiny", "--utterances", "1", "--seconds", "2", "--threads", "1", "--repeats", "1")


def run(name: str, *options: str) -> str:
    command = [sys.executable, ROOT / "test/benchmark" / name, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_training_step_is_compared_with_a_peer_s_in_both_precisions():
    printed = run("train_step.py", *STEP, "--precision", "float32", "bfloat16", "--only", "ours hubert", "torchaudio")
    ratios = re.findall(r"ratio to torchaudio: ([\d.]+)(.*)", printed)
    assert [float(ratio) > 0 for ratio, _ in ratios] == [True, True]
    # Targets are those of float32.
    assert [bool(target) for _, target in ratios] == [True, False]
    assert float(re.search(r"ours hubert, bfloat16 to float32: ([\d.]+)", printed)[1]) > 0


def test_the_loader_s_share_of_a_step_is_printed():
    printed = run("loader.py", "--batches", "1", "--threads", "1")
    assert float(re.search(r"share ([\d.]+)%", printed)[1]) > 0


def test_crops_of_what_was_cut_are_compared_with_those_of_the_recording():
    printed = run("segments.py", "--minutes", "1", "--crops", "4")
    found = {form: float(ratio) for form, ratio in re.findall(r"^(\w+): .*ratio ([\d.]+)", printed, re.MULTILINE)}
    assert found.keys() == {"FLAC", "MP3", "command"} and found["command"] > 1


def test_start_up_is_compared_with_python_alone():
    printed = run("startup.py", "--repeats", "1", "--only", "merge_mfcc", "validate_data")
    found = {name: float(ratio) for name, ratio in re.findall(r"^(\w+) .*ratio ([\d.]+)", printed, re.MULTILINE)}
    assert found["merge_mfcc"] < found["validate_data"]  # which takes numpy


def test_intervals_hold_for_new_speakers(real_data):
    """A small version: 6 utterances of a speaker, 30 draws; the benchmark's own numbers are in its README."""
    printed = run("speakers.py", "--data", str(real_data), "--draws", "30", "--utterances", "6", "--per_phone", "40")
    held = {name: float(share) for share, name in re.findall(r"([\d.]+) % \((\w+)\)", printed.partition("all: ")[2])}
    assert held["rule"] >= 85 and held["rule"] > held["trials"]


def test_what_grows_with_hours_and_networks_is_printed():
    printed = run("scale.py", "--hours", "1", "2", "--networks", "3")
    found = dict(re.findall(r"^(.+?)  +[\d.]+ s +([\d.]+) MB", printed, re.MULTILINE))
    assert {"tables", "labels on disk", "a loader's worker", "report"} <= found.keys()
    assert float(found["labels on disk"]) > 0 and float(found["report"]) > 50
