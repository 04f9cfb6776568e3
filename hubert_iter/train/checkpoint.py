"""Checkpoints that survive any crash: written aside, synced, renamed; weights as safetensors, no pickled code.

They are written in the background, from a copy in memory: the training waits for the copy only, or for the writing of
the one before. The last file of each is a manifest with size and hash of all others and with the settings that it was
trained with, so a checkpoint that was damaged later is noticed, and the one before takes its place.
"""

import hashlib
import io
import json
import logging
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hubert_iter.errors import UserError
from hubert_iter.models import store
from hubert_iter.models.store import MANIFEST, damage
from hubert_iter.provenance import record_files, sync

log = logging.getLogger(__name__)
NAME = re.compile(r"update_(\d+)")
OPTIMISER, STATE = "optimiser.pt", "state.json"  # besides the model's files and the manifest
DAMAGED = "damaged_"
"""How the name of a checkpoint begins that was set aside."""
_SPARE = 1.02
"""Disk that a checkpoint takes over the size of its tensors."""


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
    """The folder of a run's checkpoints; `milestones` are updates that are kept for good.

    `settings` are all values that shape the training: checkpoints of others are refused.
    """

    def __init__(
        self, folder: Path, description: dict, keep: int, milestones: tuple[int, ...] = (), settings: Any = None
    ):
        self.folder = Path(folder)
        self.description = description
        self.keep = keep
        self.milestones = milestones
        self.settings = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
        self._writing: Future | None = None

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
        """Write a checkpoint in the background; earlier ones are removed only after it is safe on disk.

        UserError where the disk has no room for it; and what befell the writing of the one before.
        """
        self.finish()
        weights, moments = _copy(model.state_dict()), _copy(optimiser.state_dict())
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_room(_bytes(weights) + _bytes(moments))
        # A thread for each: one that lives on would be there whenever the loader forks.
        thread = ThreadPoolExecutor(1)
        self._writing = thread.submit(self._write, replace(state), weights, moments)
        thread.shutdown(wait=False)

    def finish(self) -> None:
        """Wait until the last checkpoint is on disk; raises what befell its writing."""
        writing, self._writing = self._writing, None
        if writing:
            writing.result()

    def _write(self, state: State, weights: Mapping[str, Tensor], moments: dict) -> None:
        final = self.folder / f"update_{state.update}"
        work = self.folder / f"tmp_{state.update}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        store.write_weights(work, weights, {**self.description, "updates": state.update})
        _save_tensors(moments, work / OPTIMISER)
        (work / STATE).write_text(json.dumps(asdict(state)) + "\n")
        manifest = {"settings": self.settings, "files": record_files(work)}
        (work / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        for path in (work / MANIFEST, work):
            sync(path)
        shutil.rmtree(final, ignore_errors=True)
        work.replace(final)
        sync(self.folder)
        self._forget()

    def _check_room(self, size: int) -> None:
        needed, free = size * _SPARE, shutil.disk_usage(self.folder).free
        if free < needed:
            raise UserError(
                f"{self.folder}: expected disk space for a checkpoint of {needed / 1e9:.3f} GB, found {free / 1e9:.3f} "
                "GB. Earlier checkpoints are kept. Make room: the same command then goes on from the last one"
            )

    def set_damaged_aside(self) -> None:
        """Rename damaged checkpoints, newest first, until one is whole; of many processes one does this.

        UserError for one that is whole and was trained with other settings.
        """
        for update, path in reversed(self.all().items()):
            why = damage(path)
            if not why:
                self._check_settings(path)
                return
            aside = path.with_name(f"{DAMAGED}{update}")
            shutil.rmtree(aside, ignore_errors=True)
            path.replace(aside)
            log.warning("%s is damaged (%s): set aside as %s; the one before takes its place", path, why, aside.name)

    def _check_settings(self, path: Path) -> None:
        if json.loads((path / MANIFEST).read_text())["settings"] != self.settings:
            raise UserError(
                f"{path}: expected a checkpoint of this training, found one with other settings (its "
                f"{store.DESCRIPTION} has them). Move {self.folder} away"
            )

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
            raise UserError(f"{path}: does not fit this training ({error}). Move {self.folder} away") from None

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


def _copy(values: Any) -> Any:
    """Nested values whose tensors are copies in the processor's memory."""
    if isinstance(values, Tensor):
        return values.detach().to("cpu", copy=True)
    if isinstance(values, Mapping):
        return {key: _copy(value) for key, value in values.items()}
    return [_copy(value) for value in values] if isinstance(values, list | tuple) else values


def _bytes(values: Any) -> int:
    """Size of all tensors in nested values."""
    if isinstance(values, Tensor):
        return values.numel() * values.element_size()
    if isinstance(values, Mapping):
        return sum(map(_bytes, values.values()))
    return sum(map(_bytes, values)) if isinstance(values, list) else 0
