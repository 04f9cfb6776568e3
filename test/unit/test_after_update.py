"""An objective that keeps something over updates: a teacher that follows the encoder, and a mean of what it says."""

import copy
import signal
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny import Corpus
from trainings import MODEL, TRAIN, TWO_PROCESSES, start, wait_for

from hubert_iter import study
from hubert_iter.bin import train
from hubert_iter.models import objectives, store
from hubert_iter.train import config, run

UPDATES = 15  # told to stop, two processes do so after 10
FOLLOWING = '''
"""Say what the mean of all encoders so far says of the audio without masks."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from hubert_iter.models.encoder import Encoder
from hubert_iter.models.objective import Objective, Outcome
from hubert_iter.models.settings import ObjectiveSettings


@dataclass(frozen=True)
class Settings(ObjectiveSettings):
    needs_labels = False

    def build(self, sizes):
        return Following(sizes, self)


class Following(Objective):
    def __init__(self, sizes, settings):
        super().__init__(settings)
        self.query = nn.Linear(sizes.width, sizes.width)
        self.teacher = Encoder(sizes.encoder).requires_grad_(False)
        self.register_buffer("said", torch.zeros(sizes.width))
        self.new = []

    def forward(self, frames):
        with torch.no_grad():
            targets = self.teacher.eval().transform(self.teacher.frame_features(frames.wave)[0])
        if self.training:
            self.new.append(targets.mean((0, 1)))
        return Outcome({"distance": F.mse_loss(self.query(frames.encoded), targets)})

    def after_update(self, encoder, updates, mean):
        for kept, now in zip(self.teacher.parameters(), encoder.parameters(), strict=True):
            kept.lerp_(now, 0.25 if updates else 1.0)
        if self.new:
            self.said.lerp_(mean(torch.stack(self.new).mean(0)), 0.25)
            self.new.clear()
'''
START = """
import sys
from hubert_iter.bin import cli, train
from hubert_iter.models import objectives

objectives.__path__.append(sys.path[0])
cli.run(train.main)
"""


@pytest.fixture
def conf(tmp_path) -> Path:
    """A study of one run with this objective; start.py trains with it."""
    files = {
        "model/m": {**MODEL, "layerdrop": 0.3},
        "train/t": {**TRAIN, "checkpoint_every": 1, "keep_checkpoints": 99},
        "objective/following": {"name": "following"},
        "study/s": {"model": "m", "train": "t", "updates": UPDATES, "runs": {"one": {"objective": "following"}}},
    }
    for name, values in files.items():
        path = tmp_path / f"conf/{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
    (tmp_path / "following.py").write_text(FOLLOWING)
    (tmp_path / "start.py").write_text(START)
    return tmp_path / "conf"


@pytest.fixture(autouse=True)
def known_here(conf, monkeypatch):
    monkeypatch.setattr(objectives, "__path__", [*objectives.__path__, str(conf.parent)])
    yield
    sys.modules.pop(f"{objectives.__name__}.following", None)


def options(conf: Path, corpus: Corpus, out: Path) -> list[str]:
    values = {
        "study": conf / "study/s.yaml", "name": "one", "conf_dirs": conf, "out": out,
        "data": corpus.data, "valid_data": corpus.valid_data,
    }  # fmt: skip
    return [word for key, value in values.items() for word in (f"--{key}", str(value))]


def checkpoints(conf: Path, out: Path) -> list[dict[str, torch.Tensor]]:
    """All weights and what is kept, before the first update and after each."""
    settings = config.load(study.read(conf / "study/s.yaml").run("one"), [conf])
    saved = [load_file(out / f"checkpoints/update_{number}" / store.WEIGHTS) for number in range(1, UPDATES + 1)]
    return [run._fresh(settings).state_dict(), *saved]


def means(states: list[dict[str, torch.Tensor]], name: str) -> list[torch.Tensor]:
    """The exponential means of a weight that a teacher must have after each update."""
    mean = copy.deepcopy(states[0][f"encoder.{name}"])
    found = []
    for state in states[1:]:
        mean = 0.75 * mean + 0.25 * state[f"encoder.{name}"]
        found.append(mean)
    return found


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("launcher", "number"), [((), signal.SIGKILL), (TWO_PROCESSES, signal.SIGTERM)])
def test_what_is_kept_is_as_it_should_be_whether_killed_or_not(conf, corpus, tmp_path, launcher, number):
    straight, interrupted = tmp_path / "straight", tmp_path / "interrupted"
    command = [*launcher, str(conf.parent / "start.py")]
    undisturbed = start(*command, *options(conf, corpus, straight))
    assert undisturbed.wait(300) == 0, undisturbed.communicate()[0]
    process = start(*command, *options(conf, corpus, interrupted))
    wait_for(interrupted / "checkpoints/update_3", process)
    process.send_signal(number)
    process.communicate(timeout=120)
    again = start(*command, *options(conf, corpus, interrupted))
    output = again.communicate(timeout=300)[0]
    assert again.returncode == 0 and "going on from" in output, output

    made = [(folder / "model" / store.WEIGHTS).read_bytes() for folder in (straight, interrupted)]
    assert made[0] == made[1]
    states = checkpoints(conf, straight)
    for name in ("mask_vector", "blocks.1.expand.weight", "convolutions.norm.weight"):
        for state, mean in zip(states[1:], means(states, name), strict=True):
            torch.testing.assert_close(state[f"objective.teacher.{name}"], mean, rtol=1e-5, atol=1e-7)
    assert states[-1]["objective.said"].abs().max() > 0.01


def test_a_skipped_update_leaves_what_is_kept_alone(conf, corpus, tmp_path, broken_batches):
    broken_batches.add(5)  # the second batch of the third update
    train.main(options(conf, corpus, tmp_path / "run"))
    states = checkpoints(conf, tmp_path / "run")[1:]
    for name in ("objective.said", "objective.teacher.blocks.0.expand.weight"):
        kept = [state[name] for state in states]
        alone = [update for update, pair in enumerate(pairwise(kept), start=2) if torch.equal(*pair)]
        assert alone == [3], name
        assert torch.isfinite(kept[-1]).all()
