"""Runs with refresh: the rows of a study, what goes on from leg to leg, and kill -9 at any moment."""

import json
import multiprocessing
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from refreshing import EVERY, PRELOADED, UPDATES, configuration, make, steps

from hubert_iter import provenance
from hubert_iter.bin import report, train
from hubert_iter.train import legs
from hubert_iter.units import labels as units

LEGS = ("run.leg1", "run.leg2", "run")


def products(root: Path) -> dict[str, str]:
    """Hashes of all that was made, but for tables of absolute paths; and of the last checkpoint's optimiser."""
    found = {}
    for record in sorted(root.rglob("provenance.json")):
        for name, entry in json.loads(record.read_text())["outputs"].items():
            if not name.endswith(".scp"):
                found[str(record.parent.relative_to(root) / name)] = entry["sha256"]
    last = f"run/checkpoints/update_{UPDATES}/optimiser.pt"
    return {**found, last: provenance.file_hash(root / last)}


@dataclass(frozen=True)
class Straight:
    """A run with two refreshes that nothing disturbed."""

    conf: Path
    root: Path
    seconds: dict[str, float]
    """That each step took."""


@pytest.fixture(scope="module")
def straight(corpus, tmp_path_factory) -> Straight:
    root = tmp_path_factory.mktemp("straight")
    conf, began = configuration(root), {}
    make(conf, corpus, root / "exp", lambda name: began.update({name: time.monotonic()}))
    times = [*began.values(), time.monotonic()]
    return Straight(conf, root / "exp", {name: b - a for name, a, b in zip(began, times, times[1:], strict=False)})


def test_killed_at_ten_random_moments_it_ends_with_the_same_bytes(straight, corpus, tmp_path):
    # A server that has loaded torch starts each attempt in a moment.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    drawn, names = random.Random(11), list(straight.seconds)
    # Each step once and others again, but for the last one, which might have ended when it is to be killed again.
    places = [*range(len(names)), *(drawn.randrange(len(names) - 1) for _ in range(10 - len(names)))]
    moments = sorted((place, drawn.uniform(0, 0.6) * straight.seconds[names[place]]) for place in places)
    assert len(moments) == 10
    for place, seconds in moments:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=make, args=(straight.conf, corpus, tmp_path, there.send))
        process.start()
        there.close()
        while here.poll(120) and here.recv() != names[place]:
            pass
        time.sleep(seconds)
        process.kill()
        process.join()
        assert process.exitcode == -9, f"it had ended before: {names[place]}"
    make(straight.conf, corpus, tmp_path)
    assert products(tmp_path) == products(straight.root)


def test_the_report_tells_of_labels_over_updates_and_of_one_network(straight, corpus, tmp_path):
    exp, dump = tmp_path / "exp", tmp_path / "dump/s"
    shutil.copytree(straight.root, exp)
    for number, labels in enumerate(("mfcc_k7", "run.leg1@1_k7", "run.leg2@1_k7"), 1):
        folder = dump / "units" / labels / "quality"
        folder.mkdir(parents=True)
        (folder / "scores.tsv").write_text(f"labels\tset\tmetric\tvalue\n{labels}\teval\tpnmi\t0.{number}\n")
    (exp / "agreement").mkdir()
    (exp / "agreement/scores.tsv").write_text(
        "labels_a\tlabels_b\tmetric\tvalue\nmfcc_k7\trun.leg1@1_k7\tnmi\t0.4\n"
        "mfcc_k7\trun.leg2@1_k7\tnmi\t0.5\nrun.leg1@1_k7\trun.leg2@1_k7\tnmi\t0.6\n"
    )
    call(report, study=straight.conf / "study/s.yaml", expdir=exp, dumpdir=dump, out=exp / "report")
    page = (exp / "report/RESULTS.md").read_text().replace("\\_", "_").replace("\\", "")
    table = [line.split(" | ")[1:] for line in page.split("Labels of each leg")[1].splitlines() if "| run |" in line]
    assert table[1:] == [
        ["0 to 6", "mfcc_k7", "0.100", "– |"],
        ["6 to 12", "run.leg1@1_k7", "0.200", "0.400 |"],
        ["12 to 18", "run.leg2@1_k7", "0.300", "0.600 |"],
    ]
    training = page.split("## Training")[1].split("##")[0]
    assert "| run | hubert | run.leg2@1, k=7 | 18 |" in training and "\n| run.leg" not in training
    assert "run.leg1@1_k7" not in page.split("## Pseudo-labels")[1].split("##")[0]


def test_it_is_trained_over_all_legs_by_one_schedule(straight):
    root = straight.root
    rows = [json.loads(line) for line in (root / "run/metrics.jsonl").read_text().splitlines()]
    trained = [row for row in rows if row["split"] == "train"]
    assert [row["update"] for row in trained] == list(range(2, UPDATES + 1, 2))
    rates = [row["learning_rate"] for row in trained]
    assert rates[-1] == pytest.approx(1e-3 / (UPDATES - 1), rel=0.01)
    assert all(a > b for a, b in zip(rates[1:], rates[2:], strict=False))
    hours = [row["hours"] for row in trained]
    assert hours == sorted(hours) and hours[-1] == pytest.approx(UPDATES * 8 / 3600, rel=0.3)


def test_the_head_begins_anew_and_the_encoder_goes_on(straight):
    root = straight.root
    saved = root / "run.leg2/checkpoints"
    state = torch.load(saved / f"update_{2 * EVERY}/optimiser.pt", weights_only=True)["state"]
    names = [name for name, _ in legs.store.read(saved / f"update_{2 * EVERY}").named_parameters()]
    counts = {name: float(state[number]["step"]) for number, name in enumerate(names)}
    assert {count for name, count in counts.items() if name.startswith("encoder.")} == {2 * EVERY}
    assert {count for name, count in counts.items() if name.startswith("objective.")} == {EVERY}


def test_a_leg_whose_labels_are_the_old_ones_ends_as_a_run_without_refresh(corpus, tmp_path, monkeypatch):
    conf = configuration(tmp_path, {"every": 10, "head": "match"})
    monkeypatch.setattr(units, "verify_targets", lambda *_: None)
    for name, step in steps(conf, corpus, tmp_path):
        if name == "training of run.leg1":
            step()
    common = {"data": corpus.data, "valid_data": corpus.valid_data, "conf_dirs": conf}
    common |= {"labels": corpus.labels, "valid_labels": corpus.valid_labels}
    call(train, **common, study=conf / "study/s.yaml", name="run", out=tmp_path / "run",
         continues=tmp_path / "run.leg1", old_labels=corpus.labels)  # fmt: skip
    plain = yaml.safe_load((conf / "study/s.yaml").read_text())
    del plain["runs"]["run"]["refresh"]
    (conf / "study/plain.yaml").write_text(yaml.safe_dump(plain))
    call(train, **common, study=conf / "study/plain.yaml", name="run", out=tmp_path / "plain")
    hashes = [provenance.file_hash(tmp_path / name / "model/model.safetensors") for name in ("run", "plain")]
    assert hashes[0] == hashes[1]


def call(entry, **options) -> None:
    entry.main([word for key, value in options.items() for word in (f"--{key}", str(value))])
