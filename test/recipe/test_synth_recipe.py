"""The whole recipe on a very small synthetic corpus: from nothing to the report, again, changed, broken and mended."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from recipe_runs import RECIPE, end_of, outcome, running, wait_until
from tiny import ROOT

from hubert_iter.analysis import scores, table
from hubert_iter.feats.baselines import BASELINES

TRAINED = ("hubert_it1", "hubert_it2", "chubert_it1", "wav2vec2", "online")
RUNS = ("random", *TRAINED)
NETWORKS = (*RUNS, "hubert_it1.2", "hubert_it2.2")  # those two rows have two seeds


def test_all_stages_to_a_report(finished):
    folders, printed = finished
    page = Path(printed.splitlines()[-1])
    assert page == folders.exp / "ci/report/index.html"
    assert page.stat().st_size > 10_000
    for number in range(1, 13):
        assert f"Stage {number}" in printed
    for run in NETWORKS:
        layers = {row["layer"] for row in folders.scores() if row["run"] == run and row["metric"] == "pwcca"}
        assert layers == {"conv", "0", "1", "2"}
    for features in BASELINES:
        layers = {row["layer"] for row in folders.scores() if row["run"] == features and row["metric"] == "pwcca"}
        assert layers == {"features"}
    # MFCC meet log-mel, which comes after them.
    assert "log-mel frames" not in (folders.exp / "ci/log/measures_mfcc.log").read_text()
    for measure in table.read("ci", [RECIPE / "conf", ROOT / "conf"]).measures:
        assert f'<h2 id="{measure}">' in page.read_text()
    assert {row["property"] for row in folders.scores()} >= {"phone", "word", "speaker"}


def test_every_objective_s_accuracy_stands_beside_its_chance_level(finished):
    folders, _ = finished
    table = (folders.exp / "ci/report/RESULTS.md").read_text().replace("\\_", "_").split("## Training")[1]
    for run in TRAINED:
        rows = [json.loads(line) for line in (folders.exp / f"ci/{run}/metrics.jsonl").read_text().splitlines()]
        last = [row for row in rows if row["split"] == "valid"][-1]
        assert last["update"] == 8
        shown = next(line for line in table.splitlines() if line.startswith(f"| {run} |"))
        assert f"| {100 * last['accuracy']:.1f} | {100 * last['chance']:.1f} |" in shown


def test_second_run_redoes_nothing_and_says_so(finished):
    folders, first = finished
    before = folders.made()
    assert len(before) > 30
    result = folders.run()
    assert result.returncode == 0, end_of(result.stdout)
    assert folders.made() == before
    assert ": making" not in result.stdout
    assert result.stdout.count("up to date") >= first.count(": making")
    assert result.stdout.splitlines()[-1] == first.splitlines()[-1]


def test_a_changed_setting_redoes_what_depends_on_it(finished):
    folders, _ = finished
    before = folders.made()
    result = folders.run(*folders.analysis(segments={"speaker_chunk_seconds": 1.5}))
    assert result.returncode == 0, end_of(result.stdout)
    changed = {name for name, when in folders.made().items() if before.get(name) != when}
    scored = {name for name in before if re.match(r"exp/ci/[^/]+/(layers|measures/)", name)}
    assert scored >= {f"exp/ci/{name}/measures/cca" for name in (*NETWORKS, *BASELINES)}
    cards = {f"exp/ci/{name}/export/huggingface" for name in NETWORKS}  # which have the scores
    assert changed == {"exp/ci/samples", "exp/ci/report"} | scored | cards


def test_values_for_one_call_make_results_of_their_own(copy):
    before = copy.made()
    call = ("--stage", "5", "--stop_stage", "7", "--runs", "hubert_it1.1", "--train_args", "updates=4 clip=1")
    result = copy.run(*call)
    assert result.returncode == 0, end_of(result.stdout)
    made = copy.made()
    study = "ci+clip=1+updates=4"
    assert made.items() >= before.items()
    assert {name.split("/")[1] for name in made.keys() - before.keys()} == {study}
    assert f"exp/{study}/hubert_it1/model" in made
    config = yaml.safe_load((copy.exp / study / "hubert_it1/config.yaml").read_text())
    assert (config["run"]["set"], config["run"]["updates"], config["train"]["clip"]) == ({"train.clip": 1.0}, 4, 1.0)
    again = copy.run(*call)
    assert copy.made() == made and ": making" not in again.stdout


def test_a_measure_on_request(copy):
    pytest.importorskip("fastabx")
    before = copy.made()
    analysis = copy.analysis(measures={"abx": {"max_tokens": 3}})
    result = copy.run("--stage", "9", "--stop_stage", "9", "--runs", "random", *analysis)
    assert result.returncode == 0, end_of(result.stdout)
    changed = {name for name, when in copy.made().items() if before.get(name) != when}
    assert changed == {f"exp/ci/{name}/measures/abx" for name in ("random", *BASELINES)}
    errors = [row for row in scores.read(copy.exp / "ci/random/measures/abx") if row["layer"] != "-"]
    assert [row["layer"] for row in errors[::2]] == ["conv", "0", "1", "2"]
    assert {row["metric"] for row in errors} == {"abx_within", "abx_across"}
    assert all(0 < float(row["value"]) < 0.5 for row in errors)


def test_a_teachers_passes_in_parts_leave_the_same_bytes(copy):
    units = next((copy.dump / "ci/units").glob("hubert_it1@1*"))
    made = [units / "kmeans", units / "train", units / "valid", copy.exp / "ci/hubert_it2/layers"]
    # Another test may have left the finished recipe with layers at other segments.
    at_once = copy.run("--stage", "8", "--stop_stage", "8", "--runs", "hubert_it2.1")
    assert at_once.returncode == 0, end_of(at_once.stdout)
    before = {folder: outcome(folder) for folder in made}
    for folder in made:
        shutil.rmtree(folder)
    result = copy.run("--stage", "5", "--stop_stage", "8", "--runs", "hubert_it2.1", "--teacher_nj", "2")
    assert result.returncode == 0, end_of(result.stdout)
    assert {folder: outcome(folder) for folder in made} == before
    for name in (f"kmeans_{units.name}", f"labels_{units.name}_train", "layers_hubert_it2"):
        assert len(list((copy.exp / "ci/log").glob(f"{name}.[12].log"))) == 2, name


def test_stages_and_runs_do_what_they_say(finished):
    folders, _ = finished
    printed = folders.run("--stage", "3", "--stop_stage", "6", "--skip_stages", "4").stdout
    stages = [line.split("Stage ")[1].split(":")[0].split(",")[0] for line in printed.splitlines() if "Stage " in line]
    assert stages == ["3", *("5", "6") * 5]  # for each network with labels
    printed = folders.run("--stage", "7", "--stop_stage", "7", "--runs", "hubert_it2").stdout
    assert "hubert_it2" in printed
    assert "Stage 7, hubert_it1" not in printed


def test_a_run_whose_teacher_is_missing(copy):
    shutil.rmtree(copy.exp / "ci/hubert_it1")
    named = copy.run("--stage", "5", "--stop_stage", "6", "--runs", "hubert_it2")
    assert named.returncode == 1
    assert "hubert_it1" in named.stdout
    rest = copy.run("--stage", "5", "--stop_stage", "6")
    assert rest.returncode == 0, end_of(rest.stdout)
    assert "left out" in rest.stdout


def test_a_truncated_recording_is_named_and_mended(copy):
    name, entry = (copy.data / "train/wav.scp").read_text().splitlines()[3].split(maxsplit=1)
    bad = copy.root / "bad.flac"
    bad.write_bytes(Path(entry).read_bytes()[:3000])
    scp = copy.data / "train/wav.scp"
    good = scp.read_text()
    scp.write_text(good.replace(entry, str(bad)))
    options = ("--stage", "2", "--stop_stage", "2")
    shutil.rmtree(copy.dump / "data/train")
    broken = copy.run(*options)
    assert broken.returncode != 0
    assert name in broken.stdout
    assert not (copy.dump / "data/train").exists()
    scp.write_text(good)
    mended = copy.run(*options)
    assert mended.returncode == 0, end_of(mended.stdout)


def test_a_missing_transcript_is_named(copy):
    text = copy.data / "train/text"
    lines = text.read_text().splitlines(keepends=True)
    text.write_text("".join(lines[:2] + lines[3:]))
    shutil.rmtree(copy.dump / "data/train")
    result = copy.run("--stage", "2", "--stop_stage", "2")
    assert result.returncode != 0
    assert lines[2].split()[0] in result.stdout


def test_unknown_configuration_key(copy):
    study = copy.root / "wrong.yaml"
    study.write_text((RECIPE / "conf/study/ci.yaml").read_text().replace("updates:", "update:"))
    result = copy.run("--study", str(study))
    assert result.returncode == 1
    assert "did you mean updates" in result.stdout


def test_killed_in_training_and_started_again(copy):
    """kill -9 of the recipe's shell: its jobs end too, and a second call goes on from the last checkpoint."""
    study = copy.root / "long.yaml"
    table = (RECIPE / "conf/study/ci.yaml").read_text().replace("updates: 8 ", "updates: 60")
    study.write_text(table)
    command = copy.command("--study", str(study), "--runs", "hubert_it1", "--stage", "5", "--stop_stage", "7")
    shell = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        checkpoints = copy.exp / "long/hubert_it1/checkpoints"
        wait_until(lambda: checkpoints.is_dir() and any(checkpoints.iterdir()))
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    wait_until(lambda: not running(str(copy.exp)))
    again = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    assert again.returncode == 0, end_of(again.stdout)
    assert (copy.exp / "long/hubert_it1/model/provenance.json").exists()
