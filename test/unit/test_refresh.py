"""Runs with refresh: the rows of a study, what goes on from leg to leg, and kill -9 at any moment."""

import itertools
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
from tiny import ROOT

from hubert_iter import provenance, study
from hubert_iter.analysis import agreement
from hubert_iter.bin import plan, report, train
from hubert_iter.errors import UserError
from hubert_iter.models import store
from hubert_iter.runs import Run
from hubert_iter.train import check_study, config, legs
from hubert_iter.train.distributed import World
from hubert_iter.train.legs import Before
from hubert_iter.train.run import _fresh
from hubert_iter.train.update import Updater
from hubert_iter.units import labels as units


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
    names = [name for name, _ in store.read(saved / f"update_{2 * EVERY}").named_parameters()]
    counts = {name: float(state[number]["step"]) for number, name in enumerate(names)}
    of_encoder = {count for name, count in counts.items() if name.startswith("encoder.")}
    # Blocks that layerdrop leaves out in an update are not counted in it.
    assert max(of_encoder) == 2 * EVERY and min(of_encoder) > EVERY
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


ROW = {"objective": "hubert", "targets": "mfcc", "k": 100, "updates": 25, "refresh": {"every": 10, "tap": 6, "k": 500}}


def table(folder: Path, **rows) -> Path:
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump({"model": "tiny", "train": "mini", "runs": rows}, sort_keys=False))
    return path


def test_a_row_s_legs(tmp_path, capsys):
    pupil = {"objective": "hubert", "targets": "long@6", "k": 500, "updates": 25}
    path = table(tmp_path, long={**ROW, "seeds": 2}, pupil=pupil)
    found = study.read(path)
    assert list(found.runs) == ["long", "long.2", "pupil"]
    second = found.legs["long.2"]
    assert [leg.name for leg in second] == ["long.2.leg1", "long.2.leg2", "long.2"]
    assert [leg.labels for leg in second] == ["mfcc_k100.2", "long.2.leg1@6_k500", "long.2.leg2@6_k500"]
    assert [(leg.until, leg.inner, leg.continues) for leg in second] == [
        (10, True, ""), (20, True, "long.2.leg1"), (25, False, "long.2.leg2"),
    ]  # fmt: skip
    # So that batches and masks go on over the legs.
    assert {leg.iteration for leg in second} == {1} and found.runs["pupil"].iteration == 2
    plan.main(["--study", str(path), "--runs", "long.1"])
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[1][:8] == ["long.leg2", "hubert", "long.leg1", "6", "500", "long.leg1@6_k500", "20", "-"]
    assert [row[10:12] + row[-1:] for row in rows] == [
        ["-", "-", "leg"],
        ["long.leg1", "-", "leg"],
        ["long.leg2", "-", "-"],
    ]


def test_legs_differ_in_the_head_s_weights_alone(tmp_path):
    one, two, three = (config.load(leg, [ROOT / "conf"]).draws for leg in study.read(table(tmp_path, a=ROW)).legs["a"])
    plain = config.load(study.read(table(tmp_path, a={**ROW, "refresh": {}})).run("a"), [ROOT / "conf"]).draws
    assert {each.batches() for each in (one, two, three)} == {plain.batches()}
    assert {each.update(12, 0) for each in (one, two, three)} == {plain.update(12, 0)}
    assert one.weights() == plain.weights() and len({each.weights() for each in (one, two, three)}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"refresh": {"every": 10, "tap": 6, "kk": 5}}, "refresh: unknown key 'kk'.*did you mean k"),
        ({"refresh": {"tap": 6}}, "refresh: every: expected a value"),
        ({"refresh": {"every": 25, "tap": 6}}, "every: expected less than the run's 25 updates, found 25"),
        ({"refresh": {"every": 5, "tap": 6, "k": 7, "head": "match"}}, "needs equal k, found 100 before and 7 after"),
        ({"refresh": {"every": 5, "tap": 6, "head": "old"}}, "head: expected new or match"),
        ({"refresh": {"every": 5, "tap": 9}}, "run a.leg2: targets: a.leg1 has no tap '9'"),
        ({"targets": "", "k": 0}, "expected targets .* and k for the first labels"),
    ],
)
def test_faults_of_a_refresh_are_named(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        check_study.check(study.read(table(tmp_path, a={**ROW, **change})), [ROOT / "conf"])


def test_a_kept_head_follows_the_numbering_of_the_labels(corpus, tmp_path):
    conf = configuration(tmp_path, {"head": "match"})
    make(conf, corpus, tmp_path)
    old, new = corpus.labels, tmp_path / "run.leg1@1_k7/train"
    places = legs.old_of_new(old, new)
    assert sorted(places) == list(range(7))
    shared = agreement.count(units.read_labels(old), units.read_labels(new))
    assert shared[places, range(7)].sum() == max(
        sum(shared[order[label], label] for label in range(7)) for order in itertools.permutations(range(7))
    )
    before = Before(tmp_path / "run.leg1", config.load(leg(conf, 1), [conf]), (old, new))
    updater = Updater(before.config, _fresh(before.config), World(0, 1, torch.device("cpu")))
    state = before.hand_over(updater, tmp_path)
    assert state.update == EVERY
    was = store.read(tmp_path / f"run.leg1/checkpoints/update_{EVERY}").state_dict()
    now = updater.model.state_dict()
    assert torch.equal(now["objective.head.embeddings"], was["objective.head.embeddings"][places])
    assert all(torch.equal(now[name], was[name]) for name in was if not name.endswith("embeddings"))
    saved = torch.load(tmp_path / f"run.leg1/checkpoints/update_{EVERY}/optimiser.pt", weights_only=True)["state"]
    number = [name for name, _ in updater.model.named_parameters()].index("objective.head.embeddings")
    taken = updater.optimiser.state_dict()["state"][number]
    assert torch.equal(taken["exp_avg"], saved[number]["exp_avg"][places])
    assert torch.equal(taken["step"], saved[number]["step"])


def leg(conf: Path, number: int) -> Run:
    return study.read(conf / "study/s.yaml").legs["run"][number]


def test_a_leg_of_another_run_or_without_its_checkpoint_is_refused(straight, corpus, tmp_path):
    shutil.copytree(straight.root, tmp_path / "exp")
    shutil.rmtree(tmp_path / "exp/run")
    *_, (_, train_last) = steps(straight.conf, corpus, tmp_path / "exp")
    other = configuration(tmp_path, set={"train.clip": 1.0})
    *_, (_, train_otherwise) = steps(other, corpus, tmp_path / "exp")
    with pytest.raises(UserError, match=r"run\.leg2: was trained with another train\.clip than run says"):
        train_otherwise()
    shutil.rmtree(tmp_path / f"exp/run.leg2/checkpoints/update_{2 * EVERY}")
    with pytest.raises(
        UserError, match="expected the checkpoint that .*run.leg2/model was made from, found .*update_10"
    ):
        train_last()


@pytest.mark.parametrize("name", ["optimiser.pt", "state.json", "model.yaml", "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"[]"])
def test_a_leg_does_not_go_on_from_a_damaged_checkpoint(straight, tmp_path, name, content):
    shutil.copytree(straight.root / "run.leg1", tmp_path / "run.leg1")
    (tmp_path / f"run.leg1/checkpoints/update_{EVERY}" / name).write_bytes(content)
    before = Before(tmp_path / "run.leg1", config.load(leg(straight.conf, 1), [straight.conf]), None)
    updater = Updater(before.config, _fresh(before.config), World(0, 1, torch.device("cpu")))
    with pytest.raises(UserError, match=rf"update_{EVERY}, damaged \({name}.*train that leg again"):
        before.hand_over(updater, tmp_path)


def test_a_leg_needs_what_it_goes_on_from(corpus, tmp_path):
    conf = configuration(tmp_path)
    common = {"study": conf / "study/s.yaml", "conf_dirs": conf, "data": corpus.data, "valid_data": corpus.valid_data}
    with pytest.raises(UserError, match=r"run run\.leg2: expected --continues"):
        call(train, **common, name="run.leg2", out=tmp_path / "run.leg2")
    with pytest.raises(UserError, match=r"run run\.leg1: expected no --continues"):
        call(train, **common, name="run.leg1", out=tmp_path / "run.leg1", continues=tmp_path)
