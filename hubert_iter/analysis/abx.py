"""Phone ABX of every layer: is a token X nearer to an A of its own phone than to a B of another?

The error is the share of triples in which it is not: 0.5 is chance, lower is better. Two tokens' distance is that of
their frames, angular, along the best path of dynamic time warping. `within`: one speaker says A, B and X; `across`: one
says A and B, another X. Nothing is fitted, hence ABX is a second opinion beside CCA. As in the ZeroSpeech challenges,
errors are averaged over contexts, then speakers, then ordered pairs of phones, so that frequent phones count no more
than others. Triples and averages are those of fastabx (https://github.com/bootphon/fastabx), an optional dependency.
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubert_iter.analysis import parallel
from hubert_iter.analysis.tokens import Token, bounds
from hubert_iter.errors import UserError

if TYPE_CHECKING:
    from fastabx import Dataset, Task

CONDITIONS = ("within", "across")
CONTEXTS = ("any", "within")
DISTANCES = ("angular", "euclidean")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What shapes the scores."""

    context: str = "any"
    """any: A, B and X stand between any phones; within: between the same two."""
    max_tokens: int = 10
    """Tokens of each phone and speaker (and context), ten in the ZeroSpeech challenges."""
    max_x_speakers: int = 5
    """Other speakers whose X are compared with an A and B, five in the ZeroSpeech challenges."""
    distance: str = "angular"
    seed: int = 0

    @property
    def in_context(self) -> bool:
        """Must the neighbours be the same?"""
        return self.context == "within"


@dataclass(frozen=True)
class Layer:
    """One layer's frames, what they are of, and the conditions that there are triples for."""

    frames: Path
    tokens: tuple[Token, ...]
    conditions: tuple[str, ...]
    settings: Settings


def require() -> None:
    """Refuse to go on without fastabx."""
    try:
        import fastabx  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: torchdtw's library does not go with this torch
        raise UserError(
            f"ABX needs fastabx, which cannot be imported ({error}). "
            "Install it: tools/install.sh --extras test,abx, or in an environment of your own pip install -e '.[abx]'"
        ) from None


def count(tokens: Sequence[Token], settings: Settings) -> dict[str, int]:
    """Triples of each condition that has any; UserError when none has."""
    dataset = _dataset(tokens) if tokens else None
    triples = {}
    for condition in CONDITIONS:
        task = _task(dataset, condition, settings) if dataset else None
        if task:
            triples[condition] = _triples(task)
            continue
        log.warning("ABX %s speakers is left out: %s", condition, _wanted(condition, settings))
    if not triples:
        speakers, phones = ({getattr(token, name) for token in tokens} for name in ("speaker", "phone"))
        raise UserError(
            f"ABX: {len(tokens)} tokens of {len(phones)} phones by {len(speakers)} speakers make no triple. "
            f"Expected {_wanted('within', settings)}. Give a larger evaluation set"
            + (", or compare in any context (--context any, in a recipe --abx_context any)" * settings.in_context)
        )
    return triples


def score(folder: Path, taps: Sequence[str], tokens: Sequence[Token], settings: Settings, nj: int) -> list[tuple]:
    """(layer, metric, value) of all layers and the facts, from <tap>.npy in `folder`, one process per layer."""
    triples = count(tokens, settings)
    started = time.monotonic()
    layers = [Layer(folder / f"{tap}.npy", tuple(tokens), tuple(triples), settings) for tap in taps]
    rows: list[tuple] = []
    for tap, errors in zip(taps, parallel.run(score_layer, layers, nj), strict=True):
        rows += [(tap, f"abx_{condition}", error) for condition, error in errors.items()]
    log.info("%d layers compared in %.1f s", len(taps), time.monotonic() - started)
    rows += [("-", f"abx_{condition}_triples", number) for condition, number in triples.items()]
    for name, values in (("tokens", tokens), ("phones", {t.phone for t in tokens}), ("speakers", _speakers(tokens))):
        rows.append(("-", f"abx_{name}", len(values)))
    return rows


def score_layer(layer: Layer) -> dict[str, float]:
    """Condition -> ABX error."""
    from fastabx import Score

    dataset = _dataset(layer.tokens)
    distance = TokenDistance(np.load(layer.frames), bounds(layer.tokens), layer.settings.distance)
    # First over contexts, then over speakers; what is left are pairs of phones.
    levels = [("before", "after")] * layer.settings.in_context + ["speaker"]
    errors = {}
    for condition in layer.conditions:
        scored = Score(_task(dataset, condition, layer.settings), distance, progress=False)
        errors[condition] = float(scored.collapse(levels=levels))
    return errors


class TokenDistance:
    """The distance of tokens that fastabx knows by their numbers: along the best path through their frames' distances.

    fastabx pads all tokens of a call to the longest one, and phones differ in length by a factor of ten: most of the
    frames that it compares are padding. Here each pair of frames is compared once, and only what is aligned together,
    sorted by length, is padded: the same numbers in a third of the time.
    """

    CHUNK = 48

    def __init__(self, frames: np.ndarray, places: np.ndarray, distance: str):
        """Frames [N, width] of all tokens, token i's from places[i] to places[i + 1]."""
        import torch

        self._frames = torch.from_numpy(frames)
        self._angular = distance == "angular"
        if self._angular:
            self._frames = torch.nn.functional.normalize(self._frames, dim=1)
        self._starts = torch.from_numpy(places[:-1])
        self._lengths = torch.from_numpy(np.diff(places))

    def __call__(self, x, y):
        """Tokens [A, 1, 1] and [B, 1, 1] -> distances [A, B, 1, 1]."""
        import torch
        from torchdtw import dtw_batch

        first, second = x.flatten(), y.flatten()
        second = second[order := torch.argsort(self._lengths[second], stable=True)]
        table = self._compare(self._gather(first), self._gather(second))
        rows, row_lengths = self._places(first)
        rows_of_table = table.index_select(0, rows.flatten())
        out = table.new_empty(len(first), len(second))
        ends = torch.cumsum(self._lengths[second], 0)
        for start in range(0, len(second), self.CHUNK):
            chunk = slice(start, start + self.CHUNK)
            columns, column_lengths = self._places(second[chunk])
            columns += ends[start] - self._lengths[second[start]]
            lattice = rows_of_table.index_select(1, columns.flatten())
            lattice = lattice.view(*rows.shape, *columns.shape).transpose(1, 2)
            out[:, order[chunk]] = dtw_batch(lattice, row_lengths, column_lengths, symmetric=False)
        return out[:, :, None, None]

    def _gather(self, tokens):
        """The tokens' frames one after the other."""
        import torch

        lengths = self._lengths[tokens]
        ends = torch.cumsum(lengths, 0)
        shifts = torch.repeat_interleave(self._starts[tokens] - (ends - lengths), lengths)
        return self._frames.index_select(0, torch.arange(int(ends[-1])) + shifts)

    def _places(self, tokens):
        """Where each token's frames stand among the gathered, [tokens, longest], the last one repeated; lengths."""
        import torch

        lengths = self._lengths[tokens]
        inside = torch.minimum(torch.arange(int(lengths.max()))[None], lengths[:, None] - 1)
        return (torch.cumsum(lengths, 0) - lengths)[:, None] + inside, lengths

    def _compare(self, x, y):
        """Frames [M, width] and [N, width] -> distances [M, N]; angles as parts of a half turn."""
        import torch

        if self._angular:
            return (x @ y.T).clamp_(-1, 1).acos_() / math.pi
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _dataset(tokens: Sequence[Token]) -> "Dataset":
    """The tokens' labels, with their numbers in place of features."""
    import polars
    import torch
    from fastabx import Dataset, InMemoryAccessor

    columns = ("phone", "before", "after", "speaker")
    labels = polars.DataFrame({name: [getattr(token, name) for token in tokens] for name in columns})
    places = {index: (index, index + 1) for index in range(len(tokens))}
    return Dataset(labels, InMemoryAccessor(places, torch.arange(len(tokens))[:, None], torch.device("cpu")))


def _task(dataset: "Dataset", condition: str, settings: Settings) -> "Task | None":
    """The triples of a condition; None where there are none."""
    from fastabx import EmptyTaskError, Subsampler, Task

    by = ["before", "after"] * settings.in_context
    across = ["speaker"] * (condition == "across")
    # Groups are small enough already: `tokens.draw` has seen to it.
    sampler = Subsampler(None, settings.max_x_speakers, settings.seed) if across else None
    try:
        return Task(
            dataset, on="phone", by=by if across else [*by, "speaker"], across=across or None, subsampler=sampler
        )
    except EmptyTaskError:
        return None


def _triples(task: "Task") -> int:
    """How many triples a task has: an A is no X of its own."""
    a, b, x = (task.cells[f"index_{name}"].list.len().cast(int) for name in "abx")
    return int((a * b * ((x - 1) if task.is_symmetric else x)).sum())


def _speakers(tokens: Sequence[Token]) -> set[str]:
    return {token.speaker for token in tokens}


def _wanted(condition: str, settings: Settings) -> str:
    where = " between the same two neighbours" * settings.in_context
    if condition == "within":
        return f"a speaker with two tokens of one phone and one of another{where}"
    return f"a speaker with two phones{where}, one of which another speaker says too{where}"
