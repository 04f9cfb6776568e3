"""Fetch LibriSpeech's public alignments: one archive for all parts, of which the wanted parts are unpacked."""

import logging
import os
from pathlib import Path

from hubert_iter.corpora.download import MINI, Fetcher, extract, parse_sums, present, unpacking
from hubert_iter.errors import UserError

# Lugosch et al. 2019, CC BY 4.0: made with the Montreal Forced Aligner; the sum is Zenodo's own.
ALIGNMENTS_URL = "https://zenodo.org/records/2619474/files/librispeech_alignments.zip"
ALIGNMENTS_MD5 = "2bab567d0ace651a4ba254e813629f46"
SUFFIX = ".TextGrid"
log = logging.getLogger(__name__)


def download_alignments(
    parts: list[str], corpus: Path, folder: Path, url: str = "", fetcher: Fetcher | None = None
) -> None:
    """Make `folder`/PART/SPEAKER/CHAPTER/UTTERANCE.TextGrid for the utterances whose audio is in `corpus`/PART.

    Parts that are there are complete and left alone. A part of mini LibriSpeech also counts as there when the part that
    it was drawn from is. The archive's md5sum.txt beside `url`, if there, goes before the sum known here.
    """
    fetcher = fetcher or Fetcher()
    missing = [part for part in parts if not present(folder / part)]
    missing = [part for part in missing if MINI.get(part) not in missing and not present(folder / MINI.get(part, part))]
    if not missing:
        return
    utterances = {part: _utterances(corpus / part) for part in missing}
    url = url or ALIGNMENTS_URL
    name = url.rstrip("/").rsplit("/", 1)[-1].partition("?")[0]
    md5 = ALIGNMENTS_MD5
    if url != ALIGNMENTS_URL:
        published = fetcher.text(f"{url.rsplit('/', 1)[0]}/md5sum.txt")
        md5 = parse_sums(published or "").get(name, ALIGNMENTS_MD5)
    archive = folder.parent / name
    fetcher.file(url, archive, md5)
    unpack_alignments(archive, folder, utterances)
    archive.unlink()


def unpack_alignments(archive: Path, folder: Path, utterances: dict[str, set[str]]) -> None:
    """Unpack each part's utterances aside, wherever the archive has them, then rename: `folder`/PART is complete."""
    wanted = set().union(*utterances.values())
    with unpacking(folder.parent / f".unpacking-{folder.name}") as work:
        extract(archive, work / "all", lambda member: _utterance(member) in wanted)
        found = {
            _utterance(name): Path(place) / name for place, _, names in os.walk(work / "all") for name in sorted(names)
        }
        for part, ids in utterances.items():
            have = sorted(ids & found.keys())
            if not have:
                raise UserError(
                    f"{archive}: expected {next(iter(sorted(ids)))}{SUFFIX} and others of {part}, found none of its "
                    f"{len(ids)} utterances. Is it the right archive?"
                )
            for utterance in have:
                speaker, chapter = utterance.split("-")[:2]
                target = work / part / speaker / chapter
                target.mkdir(parents=True, exist_ok=True)
                found[utterance].replace(target / f"{utterance}{SUFFIX}")
        folder.mkdir(parents=True, exist_ok=True)
        for part, ids in utterances.items():
            (work / part).replace(folder / part)
            log.info("%s: unpacked; %d of %d utterances are aligned", folder / part, len(ids & found.keys()), len(ids))


def _utterance(member: str) -> str:
    """The utterance that a TextGrid is named after; nothing for any other file."""
    name = member.rsplit("/", 1)[-1]
    return name.removesuffix(SUFFIX) if name.endswith(SUFFIX) else ""


def _utterances(part: Path) -> set[str]:
    # os.walk, because corpora are often linked folders, which rglob does not enter.
    files = (name for _, _, names in os.walk(part, followlinks=True) for name in names)
    found = {name.removesuffix(".flac") for name in files if name.endswith(".flac") and name.count("-") >= 2}
    if not found:
        raise UserError(f"{part}: expected SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac, found no utterance to align")
    return found
