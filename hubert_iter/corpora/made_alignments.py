"""A folder of alignments that the aligner made, whole or in parts: written, joined, told of."""

import logging
from collections.abc import Sequence
from pathlib import Path

from hubert_iter.corpora.aligner import Aligned, read_lexicon, write_lexicon
from hubert_iter.data.alignment import read_ctm, write_ctm
from hubert_iter.data.collect_alignments import MISSING
from hubert_iter.data.tables import read_lines
from hubert_iter.errors import summarise

GUESSED = "guessed.dict"
log = logging.getLogger(__name__)


def write(folder: Path, found: Aligned) -> None:
    """Write phones.ctm, words.ctm, missing.txt (utterance and why) and guessed.dict."""
    write_ctm(folder / "phones.ctm", found.phones)
    write_ctm(folder / "words.ctm", found.words)
    lines = (f"{key} {found.missing[key]}\n" for key in sorted(found.missing))
    (folder / MISSING).write_text("".join(lines), encoding="utf-8")
    write_lexicon(folder / GUESSED, found.guessed)


def read(folder: Path) -> Aligned:
    """Read what `write` wrote."""
    tiers = (read_ctm(folder / f"{tier}.ctm").values() for tier in ("phones", "words"))
    phones, words = ([segment for each in tier for segment in each] for tier in tiers)
    missing = dict(line.split(" ", maxsplit=1) for line in read_lines(folder / MISSING))
    return Aligned(phones, words, missing, read_lexicon(folder / GUESSED))


def join(folders: Sequence[Path], work: Path) -> None:
    """Write into `work` what is in all parts together."""
    whole = Aligned()
    for part in map(read, folders):
        whole.phones += part.phones
        whole.words += part.words
        whole.missing |= part.missing
        whole.guessed |= part.guessed
    write(work, whole)


def tell(folder: Path, total: int) -> None:
    """Say on the log what a user should look at: utterances without an alignment, words pronounced by rule."""
    found = read(folder)
    if found.guessed:
        log.warning(
            "%d words are not in the dictionary and were pronounced by rule: %s. Look at %s; correct what is wrong and "
            "give it back by --lexicon",
            len(found.guessed), summarise(found.guessed), folder / GUESSED,
        )  # fmt: skip
    if found.missing:
        why = summarise((f"{key} ({reason})" for key, reason in found.missing.items()), most=3)
        log.warning(
            "%d of %d utterances have no alignment: %s. All are in %s", len(found.missing), total, why, folder / MISSING
        )
