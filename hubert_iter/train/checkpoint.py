"""Checkpoints that survive any crash: written aside, synced, renamed; weights as safetensors, no pickled code."""

import io
import json
import logging
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from hubert_iter.errors import UserError
from hubert_iter.models import store
from hubert_iter.provenance import sync

log = logging.getLogger(__name__)
NAME = re.compile(r"update_(\d+)")
OPTIMISER, STATE = "optimiser.pt", "state.json"  # besides the model's files


@dataclass
class State:
    """Where a training stands, besides its weights and its optimiser."""

    update: int = 0
    """Updates done."""
    audio_seconds: float = 0.0
    """Seconds of audio gone through, by all processes."""
    train_seconds: float = 0.0
    """Seconds that all calls took together."""

    @property
    def hours(self) -> float:
        """Hours of audio gone through."""
        return self.audio_seconds / 3600


class Checkpoints:
    """The folder of a run's checkpoints; `milestones` are updates that are kept for good."""

    def __init__(self, folder: Path, description: dict, keep: int, milestones: tuple[int, ...] = ()):
        self.folder = Path(folder)
        self.description = description
        self.keep = keep
        self.milestones = milestones

    def all(self) -> dict[int, Path]:
        """Complete checkpoints by update, ascending."""
        found = {}
        for path in self.folder.glob("update_*"):
            match = NAME.fullmatch(path.name)
            if match:
                found[int(match[1])] = path
        return dict(sorted(found.items()))

    def last(self) -> Path | None:
        """The most advanced checkpoint, or None."""
        return next(reversed(self.all().values()), None)

    def save(self, state: State, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Write a checkpoint; the earlier ones are removed only after it is safe on disk."""
        final = self.folder / f"update_{state.update}"
        work = self.folder / f"tmp_{state.update}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        store.write(work, model, {**self.description, "updates": state.update})
        _save_tensors(optimiser.state_dict(), work / OPTIMISER)
        (work / STATE).write_text(json.dumps(asdict(state)) + "\n")
        for path in (*work.iterdir(), work):
            sync(path)
        shutil.rmtree(final, ignore_errors=True)
        work.replace(final)
        sync(self.folder)
        self._forget()

    def resume(self, model: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device) -> State | None:
        """Load the last checkpoint's weights and optimiser and return its state; None without one.

        Random numbers have no state: see `randomness`.
        """
        path = self.last()
        if path is None:
            return None
        log.info("going on from %s", path)
        try:
            store.load_weights(model, path)
            optimiser.load_state_dict(read_optimiser(path, device))
            return read_state(path)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: checkpoint cannot be read ({error}). Move it away: the run then goes on from the one before"
            ) from None

    def _forget(self) -> None:
        passing = [update for update in self.all() if update not in self.milestones]
        for update in passing[: -self.keep]:
            shutil.rmtree(self.folder / f"update_{update}")
        for path in self.folder.glob("tmp_*"):
            shutil.rmtree(path, ignore_errors=True)


def read_optimiser(checkpoint: Path, device: torch.device) -> dict:
    """The optimiser's state, as it was saved."""
    return torch.load(checkpoint / OPTIMISER, map_location=device, weights_only=True)


def read_state(checkpoint: Path) -> State:
    """Where the training stood."""
    return State(**json.loads((checkpoint / STATE).read_text()))


def _save_tensors(values: dict, path: Path) -> None:
    # Through memory: when torch itself writes to a full disk, its RuntimeError does not say why.
    buffer = io.BytesIO()
    torch.save(values, buffer)
    path.write_bytes(buffer.getbuffer())
