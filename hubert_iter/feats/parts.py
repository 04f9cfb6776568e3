"""A data set in parts, for several processes or machines: what a part has, and where parts wait to be joined.

Imports nothing that computes features, so that a stage that is done is told in a moment.
"""

import shutil
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from hubert_iter.errors import UserError
from hubert_iter.provenance import Product

if TYPE_CHECKING:
    from hubert_iter.data.datadir import Utterance


def add_options(parser) -> None:
    """Add --part and --parts."""
    parser.add_argument("--part", type=int, default=1, help="which part to make, from 1")
    parser.add_argument("--parts", type=int, default=1, help="number of parts")


def check(part: int, parts: int) -> None:
    """Refuse numbers that name no part."""
    if not 1 <= part <= parts:
        raise UserError(f"--part: expected 1 to {parts} (--parts), found {part}")


def share(utterances: Sequence["Utterance"], part: int, parts: int) -> Sequence["Utterance"]:
    """The utterances of a part: neighbours, so that speakers stay together, of about as much audio as another's."""
    ends = list(accumulate(utterance.num_samples for utterance in utterances))
    total = ends[-1] if ends else 0
    first, last = (bisect_left(ends, total * number / parts) + (number > 0) for number in (part - 1, part))
    return utterances[first:last]


def product(whole: Product, command: str, part: int, parts: int) -> Product:
    """What `command` makes of one part of a whole."""
    settings = {**whole.settings, "part": part, "of": parts}
    return replace(whole, folder=folder(whole.folder) / f"{part}of{parts}", command=command, settings=settings)


def folders(whole: Product, command: str, parts: int) -> list[Path]:
    """The folders of all parts; UserError for one that is not there or was made otherwise."""
    products = [product(whole, command, part, parts) for part in range(1, parts + 1)]
    for each in products:
        why = each.why()
        if why:
            raise UserError(
                f"{each.folder}: this part is not usable ({why}). Run {command} with --part 1 to {parts} and "
                f"--parts {parts} first"
            )
    return [each.folder for each in products]


def folder(out: Path) -> Path:
    """Where the parts wait."""
    out = Path(out)
    return out.with_name(out.name + ".parts")


def remove(out: Path) -> None:
    """Remove the parts once they are joined."""
    shutil.rmtree(folder(out), ignore_errors=True)


def check_complete(found: Iterable[str], expected: Iterable[str], out: Path) -> None:
    """UserError unless the parts have had all utterances."""
    found, expected = set(found), set(expected)
    if found != expected:
        raise UserError(f"{out}: expected {len(expected)} utterances, found {len(found)}. Make the parts again")
