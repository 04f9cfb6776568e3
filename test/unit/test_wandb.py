"""Metrics go to Weights & Biases beside TensorBoard: the same names and numbers, once each, on request alone.

By a module of wandb's interface, and by wandb itself where it is installed.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from tiny import ROOT, Corpus
from trainings import MODEL, TRAIN

from hubert_iter.bin import plan, train
from hubert_iter.errors import UserError


class Wandb(SimpleNamespace):
    """wandb's interface, as far as it is used; `runs` are those that were begun, with what they were told."""

    def __init__(self, refuses: str = ""):
        class Error(Exception):
            pass

        super().__init__(errors=SimpleNamespace(Error=Error), Settings=lambda **given: given, runs=[])
        self.refuses = refuses

    def init(self, **given):
        if self.refuses:
            raise self.errors.Error(self.refuses)
        run = SimpleNamespace(given=given, rows=[], steps={}, ends=0)
        run.log = run.rows.append
        run.define_metric = lambda name, step_metric=None: run.steps.update({name: step_metric})
        run.finish = lambda: setattr(run, "ends", run.ends + 1)
        self.runs.append(run)
        return run


@pytest.fixture
def wandb(monkeypatch):
    module = Wandb()
    module.__spec__ = importlib.util.spec_from_loader("wandb", None)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def options(folder: Path, corpus: Corpus, *more: str, updates: int = 6) -> list[str]:
    files = {
        "model/m": MODEL,
        "train/t": {**TRAIN, "workers": 0, "checkpoint_every": 2},
        "study/s": {"model": "m", "train": "t", "runs": {"w": {"objective": "wav2vec2", "updates": updates}}},
    }
    for name, values in files.items():
        path = folder / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
    return [
        "--study", str(folder / "conf/study/s.yaml"), "--name", "w", "--conf_dirs", str(folder / "conf"), "--out",
        str(folder / "run"), "--data", str(corpus.data), "--valid_data", str(corpus.valid_data), *more,
    ]  # fmt: skip


def board_of(folder: Path) -> dict[tuple[str, int], float]:
    """What TensorBoard shows: (name, update) -> value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    names = events.Tags()["scalars"]
    return {(name, each.step): each.value for name in names for each in events.Scalars(name)}


def told(rows: list[dict]) -> dict[tuple[str, int], float]:
    found = {}
    for row in rows:
        for name, value in row.items():
            if name != "update":
                assert (name, row["update"]) not in found
                found[name, row["update"]] = value
    return found


def test_nothing_is_sent_unless_asked(tmp_path, corpus, wandb):
    train.main(options(tmp_path, corpus))
    assert not wandb.runs and not (tmp_path / "run/wandb.json").exists()


def test_the_numbers_of_tensorboard_and_a_resumed_run_tells_none_twice(tmp_path, corpus, wandb, monkeypatch):
    from hubert_iter.train.checkpoint import Checkpoints

    class Killed(BaseException):
        pass

    save = Checkpoints.save

    def save_and_die(self, state, *rest):
        if state.update == 4:  # rows of update 4 have been told, its checkpoint is not there
            self.finish()  # a killed process has no thread that goes on writing
            raise Killed
        save(self, state, *rest)

    with monkeypatch.context() as once:
        once.setattr(Checkpoints, "save", save_and_die)
        with pytest.raises(Killed):
            train.main(options(tmp_path, corpus, "--wandb", "mine"))
    train.main(options(tmp_path, corpus, "--wandb", "mine"))
    first, second = wandb.runs
    assert first.given["id"] == second.given["id"] and second.given["resume"] == "allow"
    assert first.given["project"] == "mine" and first.given["name"] == "w" and first.ends == second.ends == 1
    assert first.given["config"]["train"]["learning_rate"] == TRAIN["learning_rate"]
    assert first.steps == {"update": None, "*": "update"}
    found, shown = told([*first.rows, *second.rows]), board_of(tmp_path / "run")
    assert {update for _, update in found} == {2, 4, 6} and ("valid/accuracy", 6) in found
    assert found.keys() == shown.keys()
    timed = ("train/seconds", "train/audio_per_second")
    same = [key for key in found if key[0] not in timed]
    assert [found[key] for key in same] == pytest.approx([shown[key] for key in same], rel=1e-5)


def test_what_w_and_b_refuses_ends_the_training_before_it_begins(tmp_path, corpus, wandb):
    wandb.refuses = "no API key configured"
    with pytest.raises(UserError, match="no API key configured.*wandb login.*WANDB_MODE=offline"):
        train.main(options(tmp_path, corpus, "--wandb", "mine"))
    assert not (tmp_path / "run/model").exists()


def test_without_wandb_it_is_said_before_anything_is_done(tmp_path, corpus, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "wandb" else find(name, *rest))
    words = options(tmp_path, corpus, "--wandb", "mine")
    for call in (lambda: train.main(words), lambda: plan.main(["--study", words[1], "--wandb", "mine"])):
        with pytest.raises(UserError, match="wandb is not installed. Install it: pip install wandb"):
            call()
    assert not (tmp_path / "run/origin.json").exists()
    with pytest.raises(UserError, match="expected the name of a project"):
        plan.main(["--study", words[1], "--wandb", "a/b"])


OFFLINE = """
import sys
from hubert_iter.bin import cli, train
sys.argv = ["train", *sys.argv[1:]]
cli.run(train.main)
"""


def records(log: bytes) -> Iterator[bytes]:
    """The records of wandb's offline file: 7 bytes of its own, then LevelDB's log, in blocks of 32 KiB."""
    place, whole = 7, b""
    while place + 7 <= len(log):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        size, kind = int.from_bytes(log[place + 4 : place + 6], "little"), log[place + 6]
        whole += log[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def test_wandb_itself_offline(tmp_path, corpus):
    if importlib.util.find_spec("wandb") is None:
        pytest.skip("no wandb here: pip install wandb")
    mine = {"WANDB_MODE": "offline", "PYTHONPATH": ":".join([str(ROOT), *sys.path]), "HOME": str(tmp_path)}
    environment = {**os.environ, **mine}  # with one thread, as all tests
    command = [sys.executable, "-c", OFFLINE, *options(tmp_path, corpus, "--wandb", "mine")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    from wandb.proto import wandb_internal_pb2

    rows = []
    for data in records(next((tmp_path / "run/wandb").glob("offline-run-*/*.wandb")).read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            rows.append({name: value for name, value in items.items() if not name.startswith("_")})
    found, shown = told(rows), board_of(tmp_path / "run")
    assert found.keys() == shown.keys()
    assert list(found.values()) == pytest.approx([shown[key] for key in found], rel=1e-5)
