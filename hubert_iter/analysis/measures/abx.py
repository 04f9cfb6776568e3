"""Phone ABX of every layer: is a token X nearer to an A of its own phone than to a B of another?

The error is the share of triples in which it is not: 0.5 is chance, lower is better. Two tokens' distance is that of
their frames, angular, along the best path of dynamic time warping. `within`: one speaker says A, B and X; `across`: one
says A and B, another X. Nothing is fitted, hence ABX is a second opinion beside CCA. As in the ZeroSpeech challenges,
errors are averaged over contexts, then speakers, then ordered pairs of phones, so that frequent phones count no more
than others. Triples and averages are those of fastabx (https://github.com/bootphon/fastabx), an optional dependency.
"""

import importlib.util
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubert_iter.analysis import tokens
from hubert_iter.analysis.measure import FACT, Material, Measure, Metric, Row, Scored, SpeakerRow
from hubert_iter.analysis.tokens import Token, bounds
from hubert_iter.data import alignment, datadir
from hubert_iter.data.tables import read_lines
from hubert_iter.errors import UserError
from hubert_iter.options import option

if TYPE_CHECKING:
    from fastabx import Dataset, Task

CONDITIONS = ("within", "across")
PHONE, PHONES = "phone", "phones.ctm"
CHANCE = 0.5
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What shapes the scores."""

    context: str = option(
        "any", "A, B and X stand between any phones, or within the same two, for hours of evaluation speech",
        choices=("any", "within"),
    )  # fmt: skip
    max_tokens: int = option(
        10,
        "tokens of each phone and speaker (and context) at most: ten in the ZeroSpeech challenges",
        least=2,
        most=10**6,
    )
    max_x_speakers: int = option(
        5,
        "across speakers: other speakers whose X are compared with an A and B; five in those challenges",
        least=2,
        most=10**6,
    )
    distance: str = option("angular", "distance of two frames", choices=("angular", "euclidean"))

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
    seed: int


class Abx(Measure):
    """Phone ABX within and across speakers (fastabx)."""

    title = "Phone ABX: a second opinion"
    text = (
        "Is a phone token X nearer to an A of its own phone than to a B of another one? Shown is the share of triples "
        "in which it is not: lower is better, 0.5 is chance. Within speakers one voice says all three, across speakers "
        "X is another's; what the second adds to the first is what voices do to the distances between phones.",
        "Nothing is fitted here, whereas CCA looks for the best linear map: a second opinion beside phone PWCCA. Where "
        "both rank layers or runs alike, the finding does not rest on the measure. A layer with high PWCCA and high "
        "ABX error holds the phones, in directions that others outweigh. Intervals are over evaluation speakers.",
    )
    order = 20
    metrics = (
        Metric("abx_within", "ABX error within speakers", lower_is_better=True, lines=("chance",), course=True),
        Metric(
            "abx_across",
            "ABX error across speakers",
            lower_is_better=True,
            lines=("chance",),
            course=True,
            needs="two evaluation speakers who say the same phones",
        ),
    )
    facts: Mapping[str, str] = {
        "abx_tokens": "tokens", "abx_phones": "phones", "abx_speakers": "speakers",
        "abx_within_triples": "triples within speakers", "abx_across_triples": "triples across speakers",
    }  # fmt: skip
    Settings = Settings

    def check(self, settings: Settings) -> None:
        """Refuse to go on without fastabx."""
        if importlib.util.find_spec("fastabx") is None:
            raise UserError(
                "ABX needs fastabx, which is not installed: tools/install.sh --extras test,abx (in an environment of "
                "your own: pip install -e '.[abx]'), or take an --analysis without abx"
            )

    def leaves_out(self, material: Material) -> str:
        """Needs phones."""
        return "" if any(read_lines(material.alignments / PHONES)) else "the evaluation set has no aligned phones"

    def inputs(self, material: Material) -> dict[str, Path]:
        """Tokens are whole phones, so the model runs once more: pooled segments do not have them."""
        found = {"data": material.data, "alignments": material.alignments}
        return found if material.model is None else {**found, "model": material.model}

    def score(self, material: Material, settings: Settings) -> Scored:
        """Draw tokens, run the model for their frames, compare."""
        from hubert_iter.feats.layers import open_model

        data, name = datadir.read(material.data), material.layers.name
        found = tokens.find(data.utterances, alignment.read_ctm(material.alignments / PHONES))
        drawn = tokens.draw(found, settings.max_tokens, material.seed, settings.in_context)
        triples = count(drawn, settings, material.seed)  # before the model runs, which takes longer
        log.info("%s: %d of %d tokens, triples: %s", name, len(drawn), len(found), triples)
        with tempfile.TemporaryDirectory(dir=material.scratch) as folder:
            taps = tokens.write_frames(open_model(material.model or name), data, drawn, Path(folder))
            started = time.monotonic()
            layers = [
                Layer(Path(folder) / f"{tap}.npy", tuple(drawn), tuple(triples), settings, material.seed)
                for tap in taps
            ]
            scored = dict(zip(taps, material.workers.map(score_layer, layers), strict=True))
            log.info("%s: %d layers compared in %.1f s", name, len(taps), time.monotonic() - started)
        rows = [
            Row(tap, PHONE, f"abx_{condition}", 0, 0, errors[None])
            for tap, conditions in scored.items()
            for condition, errors in conditions.items()
        ]
        speakers = [
            SpeakerRow(tap, PHONE, f"abx_{condition}", speaker, error)
            for tap, conditions in scored.items()
            for condition, errors in conditions.items()
            for speaker, error in errors.items()
            if speaker is not None
        ]
        facts = {f"abx_{condition}_triples": number for condition, number in triples.items()}
        facts |= {"abx_tokens": len(drawn), "chance": CHANCE}
        facts |= {"abx_phones": len({token.phone for token in drawn}), "abx_speakers": len(_speakers(drawn))}
        return Scored([*rows, *(Row(FACT, PHONE, fact, 0, None, value) for fact, value in facts.items())], speakers)


def count(drawn: Sequence[Token], settings: Settings, seed: int) -> dict[str, int]:
    """Triples of each condition that has any; UserError when none has."""
    dataset = _dataset(drawn) if drawn else None
    triples = {}
    for condition in CONDITIONS:
        task = _task(dataset, condition, settings, seed) if dataset else None
        if task:
            triples[condition] = _triples(task)
            continue
        log.warning("ABX %s speakers is left out: %s", condition, _wanted(condition, settings))
    if not triples:
        phones = {token.phone for token in drawn}
        raise UserError(
            f"ABX: {len(drawn)} tokens of {len(phones)} phones by {len(_speakers(drawn))} speakers make no triple. "
            f"Expected {_wanted('within', settings)}. Give a larger evaluation set"
            + (", or compare in any context (context: any in the analysis)" * settings.in_context)
        )
    return triples


def score_layer(layer: Layer) -> dict[str, dict[str | None, float]]:
    """Condition -> ABX error under None, and with each speaker left out of A, B and X under the speaker's name."""
    from fastabx import Score

    from hubert_iter.analysis.token_distance import TokenDistance

    dataset = _dataset(layer.tokens)
    distance = TokenDistance(np.load(layer.frames), bounds(layer.tokens), layer.settings.distance)
    errors = {}
    for condition in layer.conditions:
        scored = Score(_task(dataset, condition, layer.settings, layer.seed), distance, progress=False)
        errors[condition] = {None: float(scored.collapse(levels=_levels(layer.settings)))}
        errors[condition] |= _without_speakers(scored.cells, layer.settings)
    return errors


def _levels(settings: Settings) -> list:
    """First over contexts, then over speakers; what is left are pairs of phones."""
    return [("before", "after")] * settings.in_context + ["speaker"]


def _without_speakers(cells, settings: Settings) -> dict[str, float]:
    """The error with each speaker left out, from the scored cells."""
    import polars
    from fastabx.score import score_details

    columns = [name for name in ("speaker", "speaker_x") if name in cells.columns]
    names = sorted(set().union(*(cells[name].unique().to_list() for name in columns)))
    errors = {}
    for speaker in names:
        left = cells.filter(polars.all_horizontal(polars.col(columns) != speaker))
        if len(left):
            errors[speaker] = float(score_details(left, levels=_levels(settings))["score"].mean())
    return errors


def _dataset(drawn: Sequence[Token]) -> "Dataset":
    """The tokens' labels, with their numbers in place of features."""
    import polars
    import torch
    from fastabx import Dataset, InMemoryAccessor

    columns = ("phone", "before", "after", "speaker")
    labels = polars.DataFrame({name: [getattr(token, name) for token in drawn] for name in columns})
    places = {index: (index, index + 1) for index in range(len(drawn))}
    return Dataset(labels, InMemoryAccessor(places, torch.arange(len(drawn))[:, None], torch.device("cpu")))


def _task(dataset: "Dataset", condition: str, settings: Settings, seed: int) -> "Task | None":
    """The triples of a condition; None where there are none."""
    from fastabx import EmptyTaskError, Subsampler, Task

    by = ["before", "after"] * settings.in_context
    across = ["speaker"] * (condition == "across")
    # Groups are small enough already: `tokens.draw` has seen to it.
    sampler = Subsampler(None, settings.max_x_speakers, seed) if across else None
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


def _speakers(drawn: Sequence[Token]) -> set[str]:
    return {token.speaker for token in drawn}


def _wanted(condition: str, settings: Settings) -> str:
    where = " between the same two neighbours" * settings.in_context
    if condition == "within":
        return f"a speaker with two tokens of one phone and one of another{where}"
    return f"a speaker with two phones{where}, one of which another speaker says too{where}"
