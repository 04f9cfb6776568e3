"""An update never waits for the device: nothing that it does reads a number back.

Tensors of the "meta" device have shapes and no numbers, so whatever would copy one to the processor, or choose a shape
by one, fails. That stands for a GPU, on which it would wait until all work so far is done.
"""

from contextlib import nullcontext

import pytest
import torch
from trainings import MODEL, TRAIN

from hubert_iter import options
from hubert_iter.models.pretrainer import Batch, build
from hubert_iter.train import update
from hubert_iter.train.config import RunConfig, TrainConfig
from hubert_iter.train.distributed import World

META = torch.device("meta")
RUN = {"name": "x", "seed": 0, "replicate": 1, "iteration": 1, "updates": 10}


class PlainOptimiser(torch.optim.Optimizer):
    """In place of the fused one, which does not exist for this device; on a GPU it reads nothing back."""

    def __init__(self, parameters, lr, **_):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(group["lr"] * parameter.grad)


@pytest.fixture
def updater(monkeypatch):
    """An updater of an objective's network, on the device without numbers."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # has no such device
    monkeypatch.setattr(torch.optim, "AdamW", PlainOptimiser)

    def make(objective: str, **model) -> update.Updater:
        train = options.read(TrainConfig, {**TRAIN, "precision": "float32"}, "test")
        config = RunConfig(RUN, {**MODEL, **model}, {"name": objective}, train, 5)
        network = build(config.model, config.objective, 5, "test")
        return update.Updater(config, network, World(0, 1, META))

    return make


def batches():
    while True:
        yield Batch(torch.zeros(2, 16400), torch.arange(20).expand(2, 20), torch.zeros(2, 51, dtype=torch.int64))


@pytest.mark.parametrize("model", [{}, {"front_end": "mel"}, {"layerdrop": 0.5}])
@pytest.mark.parametrize("objective", ["hubert", "chubert", "wav2vec2", "online"])
def test_an_update_reads_nothing_back(updater, objective, model):
    trainer = updater(objective, **model)
    trainer.begin()
    for number in range(2):
        done = trainer.update(number, batches())
    on_the_device = {name for name, value in done.statistics.items() if value.device == META}
    assert {"loss", "grad_norm", "skipped"} <= on_the_device


def test_the_test_sees_a_number_that_is_read_back(updater):
    trainer = updater("hubert")
    forward = trainer.model.objective.forward
    trainer.model.objective.forward = lambda frames: float(frames.encoded.sum()) or forward(frames)
    with pytest.raises(RuntimeError, match="meta"):
        trainer.update(0, batches())
