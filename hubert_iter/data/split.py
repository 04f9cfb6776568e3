"""Disjoint validation utterances, chosen by a seed."""

import random
from collections.abc import Iterable

from hubert_iter.errors import UserError


def split(ids: Iterable[str], num_valid: int, seed: int) -> tuple[list[str], list[str]]:
    """Choose `num_valid` of the utterances for validation: (the rest, the chosen), both in C order.

    The choice depends on the set of names and the seed alone, not on their order.
    """
    ids = sorted(set(ids))
    if not 0 < num_valid < len(ids):
        found = f"found {num_valid} asked for (--num_valid)"
        raise UserError(f"expected 1 to {len(ids) - 1} validation utterances out of {len(ids)}, {found}")
    chosen = set(random.Random(seed).sample(ids, num_valid))
    return [key for key in ids if key not in chosen], sorted(chosen)
