"""A data set in parts, for several processes or machines: what a part has, and where parts wait to be joined.

Imports nothing that computes features, so that a stage that is done is told in a moment.
"""

import logging
import shutil
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from hubert_iter.errors import UserError
from hubert_iter.provenance import Product

if TYPE_CHECKING:
    from hubert_iter.data.datadir import Utterance

SUFFIX = ".parts"
log = logging.getLogger(__name__)


def add_options(parser, one: bool = False) -> None:
    """Add --parts, and with `one` --part, for who makes one of them."""
    parser.add_argument("--parts", type=int, default=1, help="number of parts, which wait in OUT.parts")
    if one:
        parser.add_argument("--part", type=int, default=1, help="which part to make, from 1")


def check(parts: int, part: int = 1) -> None:
    """Refuse numbers that name no part."""
    if parts < 1:
        raise UserError(f"--parts: expected at least 1, found {parts}")
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
    return replace(whole, folder=_folder_of(whole.folder, part, parts), command=command, settings=settings)


def done(made: Product, whole: Product) -> bool:
    """True, with a message, where a part is there, or the whole that it is for; otherwise it is claimed."""
    if made is not whole and not whole.why():
        log.info("%s: %s is up to date, nothing to do", made.command, whole.folder)
        return True
    return made.done()


def join(whole: Product, command: str, parts: int, name: str, data: Path, work: Path) -> int:
    """Join the archives `name` of all parts into `work`; return the number of frames.

    UserError for a part that is not there or was made otherwise, and unless all utterances of `data` are in them.
    """
    from hubert_iter.data import datadir
    from hubert_iter.feats import archive

    made = folders(whole, command, parts)
    frames = archive.merge(made, work, name, whole.folder)
    found = set(archive.read_lengths(Path(work) / "utt2num_frames"))
    expected = {utterance.id for utterance in datadir.read(data).utterances}
    if found != expected:
        raise UserError(
            f"{whole.folder}: expected {len(expected)} utterances, found {len(found)}. Make the parts again"
        )
    return frames


def folders(whole: Product, command: str, parts: int) -> list[Path]:
    """Where `command` left the parts of a whole. UserError for one that is not there or was made otherwise."""
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
    return out.with_name(out.name + SUFFIX)


def _folder_of(out: Path, part: int, parts: int) -> Path:
    return folder(out) / f"{part}of{parts}"


def remove(out: Path, parts: int) -> None:
    """Remove the parts once they are joined; those of another number stay, since another call may be making them."""
    for part in range(1, parts + 1):
        shutil.rmtree(_folder_of(out, part, parts), ignore_errors=True)
    with suppress(OSError):  # not there, or not empty
        folder(out).rmdir()
