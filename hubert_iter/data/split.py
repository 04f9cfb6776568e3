"""Utterances or speakers chosen by a seed: for validation, for a set of their own, for a smaller set."""

import random
from collections.abc import Callable, Iterable, Mapping

from hubert_iter.errors import UserError


def split(
    ids: Iterable[str], number: int, seed: int, what: str = "validation utterances", option: str = "--num_valid"
) -> tuple[list[str], list[str]]:
    """Choose `number` of the names: (the rest, the chosen), both in C order.

    The choice depends on the set of names and the seed alone, not on their order. `what` and `option` are for messages.
    """
    ids = sorted(set(ids))
    if not 0 < number < len(ids):
        raise UserError(f"expected 1 to {len(ids) - 1} {what} out of {len(ids)}, found {number} asked for ({option})")
    chosen = set(random.Random(seed).sample(ids, number))
    return [key for key in ids if key not in chosen], sorted(chosen)


def thin(
    speakers: Mapping[str, str],
    seed: int,
    per_speaker: int = 0,
    utterances: int = 0,
    seconds: float = 0.0,
    length: Callable[[str], float] | None = None,
) -> list[str]:
    """A smaller set of the utterances (utterance -> speaker), in C order; 0: no limit.

    At most `per_speaker` of each speaker are kept; of these `utterances`, or as many as fit into `seconds` (`length`
    gives an utterance's). A larger set holds the smaller one of the same seed. UserError where there are not so many.
    """
    order = sorted(speakers)
    random.Random(seed).shuffle(order)
    if per_speaker:
        counts: dict[str, int] = {}
        kept = []
        for key in order:
            counts[speakers[key]] = counts.get(speakers[key], 0) + 1
            if counts[speakers[key]] <= per_speaker:
                kept.append(key)
        order = kept
    if utterances > len(order):
        raise UserError(f"expected at most {len(order)} utterances, found {utterances} asked for (--utterances)")
    if utterances:
        order = order[:utterances]
    if seconds:
        total, kept = 0.0, []
        for key in order:
            total += length(key)
            if total > seconds:
                break
            kept.append(key)
        if total + 1e-3 < seconds:
            found = f"found {seconds / 3600:g} h asked for (--hours)"
            raise UserError(f"expected at most the {total / 3600:.4g} h that there are, {found}")
        if not kept:
            raise UserError(f"expected hours for one utterance at least (--hours), found {seconds / 3600:g}")
        order = kept
    return sorted(order)
