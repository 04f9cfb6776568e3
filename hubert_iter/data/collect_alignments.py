"""Alignments of a data directory: gather them from TextGrids or CTM files, check them against the audio."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.data.alignment import (
    SILENCE,
    TIERS,
    Segment,
    bare_phone,
    normal_phones,
    normalise_word,
    read_ctm,
    read_textgrid,
    write_ctm,
)
from hubert_iter.data.datadir import DataDir
from hubert_iter.data.folders import files_below
from hubert_iter.data.tables import Fault, read_lines
from hubert_iter.errors import UserError, summarise

# Aligners round times to their 10 ms frames and count a frame more than the audio holds: up to this far beyond the
# end a segment is cut to fit, and neighbours may overlap by one frame.
END_TOLERANCE = 0.05
OVERLAP_TOLERANCE = 0.0101
HELP = "docs/alignments.md"
"""Says where alignments come from, and what to do without any."""
MISSING = "missing.txt"
"""In a folder of alignments: the utterances without any, and why."""
log = logging.getLogger(__name__)


@dataclass
class Alignments:
    """Segments of each tier by utterance (labels normalised, silence dropped), and what was wrong.

    `reasons`: what the aligner said of utterances that it could not align.
    """

    tiers: dict[str, dict[str, list[Segment]]] = field(default_factory=lambda: {tier: {} for tier in TIERS})
    faults: list[Fault] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def bad(self) -> set[str]:
        """Utterances with a faulty alignment."""
        return {fault.utterance for fault in self.faults}

    def missing(self, data: DataDir) -> list[str]:
        """Utterances that have no phone or no word, leaving out those with a fault."""
        bad = self.bad()
        return [u.id for u in data.utterances if u.id not in bad and not all(self.tiers[t].get(u.id) for t in TIERS)]


def gather(
    data: DataDir, textgrids: Path | None, ctm_dir: Path | None, nj: int = 1, silence_phones: Collection[str] = ()
) -> Alignments:
    """Alignments of the data directory's utterances, from `ctm_dir` when it holds phones.ctm, else from TextGrids."""
    source = choose_source(textgrids, ctm_dir)
    if source == ctm_dir:
        return from_ctm(data, source, silence_phones)
    return from_textgrids(data, source, nj, silence_phones)


def choose_source(textgrids: Path | None, ctm_dir: Path | None) -> Path:
    """The folder that alignments are taken from: the user's own CTM files go before TextGrids."""
    if ctm_dir is not None and (ctm_dir / "phones.ctm").is_file():
        return ctm_dir
    if textgrids is not None and textgrids.is_dir():
        return textgrids
    looked = [f"{ctm_dir}/phones.ctm"] if ctm_dir is not None else []
    looked += [f"folder {textgrids}"] if textgrids is not None else []
    if not looked:
        raise UserError("expected --textgrids or --ctm_dir, found neither")
    raise UserError(
        f"expected alignments, found none: no {' and no '.join(looked)}. Give TextGrids or CTM files; or let "
        "the recipe make them (English) by --alignments make, or go on without scores of phones and words by "
        "--alignments none (ssl.sh), or recognise words instead of phones by "
        f'--asr_config "bpe=ctc_branchformer" (asr.sh): see {HELP}'
    )


def from_ctm(data: DataDir, folder: Path, silence_phones: Collection[str] = ()) -> Alignments:
    """Read and check `phones.ctm` and `words.ctm` of a folder; utterances that the data does not have are left out.

    A `missing.txt` beside them, as our aligner writes, says why others have none.
    """
    result = Alignments()
    for tier in TIERS:
        path = folder / f"{tier}.ctm"
        found = read_ctm(path)
        others = [key for key in found if key not in data]
        if others:
            log.info("%s: left out %d utterances that %s does not have", path, len(others), data.path)
        for utterance in data.utterances:
            _keep(result, tier, path, utterance.id, utterance.seconds, found.get(utterance.id, []))
    if (folder / MISSING).is_file():
        rows = (line.partition(" ") for line in read_lines(folder / MISSING))
        result.reasons = {key: reason for key, _, reason in rows if reason}
    return _normalised(result, silence_phones)


def from_textgrids(data: DataDir, folder: Path, nj: int = 1, silence_phones: Collection[str] = ()) -> Alignments:
    """Find each utterance's NAME.TextGrid anywhere below a folder, read and check it."""
    index = _index(folder)
    jobs = [(index[u.id], u.id, u.seconds) for u in data.utterances if u.id in index]
    log.info("%s: reading %d TextGrids of %d utterances", folder, len(jobs), len(data))
    result = Alignments()
    if nj > 1 and len(jobs) > 1000:
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(nj) as pool:
            parts = list(pool.map(_read_one, jobs, chunksize=200))
    else:
        parts = [_read_one(job) for job in jobs]
    for part in parts:
        result.faults.extend(part.faults)
        for tier in TIERS:
            result.tiers[tier].update(part.tiers[tier])
    return _normalised(result, silence_phones)


def _index(folder: Path) -> dict[str, Path]:
    """Utterance -> TextGrid, the first one of its name."""
    index: dict[str, Path] = {}
    for path in files_below(folder):
        if path.name.endswith(".TextGrid"):
            index.setdefault(path.name.removesuffix(".TextGrid"), path)
    return index


def write(folder: Path, alignments: Alignments, missing: Iterable[str]) -> None:
    """Write phones.ctm, words.ctm and missing.txt (utterance and why, one a line)."""
    folder.mkdir(parents=True, exist_ok=True)
    bad = alignments.bad()
    for tier in TIERS:
        good = (segments for key, segments in alignments.tiers[tier].items() if key not in bad)
        write_ctm(folder / f"{tier}.ctm", [segment for segments in good for segment in segments])
    write_missing(folder / MISSING, alignments, missing)


def require(folder: Path, data: Path, what_for: str) -> None:
    """UserError unless stage 3 has left in `folder` the alignments (or the word that there are none) of this data."""
    if not (folder / provenance.FILE_NAME).is_file():
        fault = "found none"
    elif provenance.read(folder)["inputs"].get("data", {}).get("id") != provenance.identity(data):
        fault = "found those of other data"
    else:
        return
    raise UserError(
        f"{folder}: expected the alignments of {data}, {fault}: {what_for} will ask for them. Run stage 3 first "
        f"(--stage 3 --stop_stage 3); for a corpus without alignments with --alignments make, or none: see {HELP}"
    )


def write_missing(path: Path, alignments: Alignments, missing: Iterable[str]) -> None:
    """Write the utterances that stay without an alignment, and why."""
    lines = {key: alignments.reasons.get(key, "no alignment") for key in missing}
    for fault in alignments.faults:
        lines.setdefault(fault.utterance, f"{fault.file}:{fault.line}: {fault.message}")
    path.write_text("".join(f"{key} {lines[key]}\n" for key in sorted(lines)), encoding="utf-8")


def refuse_missing(data: DataDir, alignments: Alignments, max_missing: int, list_file: Path) -> list[str]:
    """The utterances without alignment; UserError, with the list in a file, when they are more than allowed."""
    missing = alignments.missing(data)
    if len(missing) > max_missing:
        list_file.parent.mkdir(parents=True, exist_ok=True)
        write_missing(list_file, alignments, missing)
        raise UserError(
            f"{data.path}: {len(missing)} of {len(data)} utterances have no alignment (at most {max_missing} allowed): "
            f"{summarise(missing)}. All are listed in {list_file}. Add their alignments, or allow so many with "
            f"--max_missing {len(missing)}"
        )
    list_file.unlink(missing_ok=True)
    return missing


def _read_one(job: tuple[Path, str, float]) -> Alignments:
    """One TextGrid's segments as they are."""
    path, utterance, seconds = job
    result = Alignments()
    try:
        tiers = read_textgrid(path)
    except UserError as error:
        result.faults.append(_from_error(path, utterance, error))
        return result
    for tier in TIERS:
        _keep(result, tier, path, utterance, seconds, tiers[tier])
    return result


def _from_error(path: Path, utterance: str, error: UserError) -> Fault:
    """The fault of an unreadable TextGrid, whose message starts with path:line."""
    rest = str(error).removeprefix(f"{path}")
    line, _, message = rest.removeprefix(":").partition(":") if rest.startswith(":") else ("", "", rest)
    known = line.isdigit()
    return Fault("alignment", str(path), int(line) if known else 0, utterance, (message if known else rest).strip(" :"))


def _keep(
    result: Alignments, tier: str, path: Path, utterance: str, seconds: float, segments: Sequence[Segment]
) -> None:
    """Check one utterance's segments of a tier and keep them, cut to the audio."""
    faults = check(segments, seconds, str(path))
    result.faults.extend(faults)
    if not faults and segments:
        result.tiers[tier][utterance] = [replace(each, end=min(each.end, seconds)) for each in segments]


def check(segments: Sequence[Segment], seconds: float, path: str) -> list[Fault]:
    """Find segments of one utterance (sorted by start) that leave the audio or overlap."""
    faults = []
    previous = None
    for segment in segments:
        place = f"'{segment.label}' from {segment.start:g} to {segment.end:g} s"
        if segment.start < 0 or segment.end > seconds + END_TOLERANCE:
            message = f"{place} is out of bounds, the audio lasts {seconds:g} s"
            faults.append(Fault("bounds", path, segment.line, segment.utt, message))
        elif previous is not None and segment.start < previous.end - OVERLAP_TOLERANCE:
            message = f"{place} overlaps '{previous.label}' from {previous.start:g} to {previous.end:g} s"
            faults.append(Fault("overlap", path, segment.line, segment.utt, message))
        previous = segment
    return faults


def _normalised(found: Alignments, silence_phones: Iterable[str]) -> Alignments:
    """The same with normal labels and without silence, whose names are those known and `silence_phones`.

    How phones are written is told from all of them, so this comes last.
    """
    phones = {segment.label for segments in found.tiers["phones"].values() for segment in segments}
    normal = normal_phones(phones, SILENCE | {bare_phone(label) for label in silence_phones})
    normalise = {"phones": normal.__getitem__, "words": normalise_word}
    tiers = {
        tier: {key: _clean(segments, normalise[tier]) for key, segments in found.tiers[tier].items()} for tier in TIERS
    }
    return replace(found, tiers=tiers)


def _clean(segments: Iterable[Segment], normalise: Callable[[str], str | None]) -> list[Segment]:
    cleaned: list[Segment] = []
    for segment in segments:
        label = normalise(segment.label)
        start = max(segment.start, cleaned[-1].end) if cleaned else segment.start
        if label is not None and segment.end > start:
            # A word with a space would break the CTM; aligners write such labels for joined words.
            cleaned.append(replace(segment, start=start, label="_".join(label.split())))
    return cleaned
