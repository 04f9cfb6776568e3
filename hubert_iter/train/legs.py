"""How a leg goes on from the one before it: the encoder, its moments in the optimiser, the place in schedule and data.

The head is the new labels': made anew with no moments, or kept, each new label with the row of the old label that it
shares most frames with. Everything else of an update is a function of its number, so it goes on by itself.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hubert_iter import options
from hubert_iter.analysis import agreement
from hubert_iter.errors import UserError
from hubert_iter.models import store
from hubert_iter.provenance import file_hash
from hubert_iter.train.checkpoint import Checkpoints, State, read_optimiser, read_state
from hubert_iter.train.config import RunConfig, TrainConfig
from hubert_iter.train.metrics import FILE as METRICS
from hubert_iter.train.update import Updater
from hubert_iter.units import labels as units

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Before:
    """The leg before, and what it takes to go on from it."""

    folder: Path
    config: RunConfig
    """Of the leg that goes on."""
    labels: tuple[Path, Path] | None
    """Training labels before and now, to keep the head; None to make it anew."""

    def hand_over(self, updater: Updater, folder: Path) -> State:
        """Give a fresh model and optimiser what goes on, and `folder` the metrics; return where the training stands.

        UserError where the leg before is another run's, or its last checkpoint is gone.
        """
        checkpoint = self._checkpoint()
        log.info("going on from %s", checkpoint)
        model, optimiser, old = updater.model, updater.optimiser, store.load(checkpoint)
        model.encoder.load_state_dict(old.encoder.state_dict())
        moments = _by_name(old, read_optimiser(checkpoint, updater.world.device)["state"])
        if self.labels is None:
            moments = {name: each for name, each in moments.items() if name.startswith("encoder.")}
            updater.begin()
        else:
            model.objective.load_state_dict(old.objective.state_dict())
            places = torch.from_numpy(old_of_new(*self.labels))
            for name in model.objective.settings.per_label:
                _renumber(model.objective.get_parameter(name), moments.get(f"objective.{name}", {}), places)
        numbers = {name: number for number, name in enumerate(_trained(model))}
        state = {numbers[name]: each for name, each in moments.items()}
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        if updater.world.first:
            shutil.copyfile(self.folder / METRICS, folder / METRICS)
        return read_state(checkpoint)

    def _checkpoint(self) -> Path:
        description = store.describe(self.folder / "model")
        _check_same_run(description, self.config, self.folder)
        checkpoint = Checkpoints(self.folder / "checkpoints", description, 1).last()
        model = self.folder / "model"
        why = store.damage(checkpoint) if checkpoint else ""
        if checkpoint is None or why or file_hash(checkpoint / store.WEIGHTS) != file_hash(model / store.WEIGHTS):
            raise UserError(
                f"{self.folder}/checkpoints: expected the checkpoint that {model} was made from, found "
                f"{checkpoint or 'none'}{why and f', damaged ({why})'}: without it {self.config.run['name']} cannot go "
                f"on. Delete {model} and train that leg again (stage 7)"
            )
        return checkpoint


@torch.no_grad()
def _renumber(rows: nn.Parameter, moments: dict[str, Tensor], places: Tensor) -> None:
    """Move a parameter's rows, one for each label, and those of its moments to where the new labels expect them."""
    rows.copy_(rows[places.to(rows.device)])
    for key, value in moments.items():
        if value.shape == rows.shape:  # the count of updates is one for all rows
            moments[key] = value[places.to(value.device)]


def old_of_new(old: Path, new: Path) -> np.ndarray:
    """The old label of each new one, int64 [k], one to one, so that as many frames as possible keep their label."""
    from scipy.optimize import linear_sum_assignment

    shared = agreement.count(units.read_labels(old), units.read_labels(new))
    _, found = linear_sum_assignment(shared.T, maximize=True)
    kept = shared[found, np.arange(len(found))].sum() / shared.sum()
    log.info("head: %.1f %% of frames keep their label's embedding", 100 * kept)
    return found.astype(np.int64)


def _check_same_run(description: Mapping, config: RunConfig, folder: Path) -> None:
    """Legs of one run differ in their labels alone."""
    if description["run"]["name"] != config.run["continues"]:
        raise UserError(
            f"{folder}: expected {config.run['continues']}, the leg before {config.run['name']}, found "
            f"{description['run']['name']}"
        )
    train = options.shaping(options.read(TrainConfig, description["train"], str(folder)))
    found = {**description, "train": train}
    wanted = config.shaping()
    for section in ("model", "objective", "train"):
        differing = [key for key, value in wanted[section].items() if found[section].get(key) != value]
        if differing:
            raise _other(folder, config, f"{section}.{differing[0]}")
    for key in ("seed", "replicate", "iteration", "updates", "refresh"):
        if description["run"].get(key) != config.run.get(key):
            raise _other(folder, config, f"run.{key}")


def _other(folder: Path, config: RunConfig, key: str) -> UserError:
    return UserError(
        f"{folder}: was trained with another {key} than {config.run['name']} says. Train that leg again (stages 5 to 7)"
    )


def _trained(model: nn.Module) -> list[str]:
    """Names of the parameters in the order in which the optimiser numbers them."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def _by_name(model: nn.Module, state: Mapping[int, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    return {name: dict(state[number]) for number, name in enumerate(_trained(model)) if number in state}
