"""Data directories as data preparation leaves them: parts of them, and several in one. For `local/data.sh`.

All tables go along: wav.scp, segments, text, spk2gender, every utt2* table, and alignments (phones.ctm, words.ctm).
No audio is decoded; stage 2 does that.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubert_iter import frames
from hubert_iter.data.alignment import TIERS
from hubert_iter.data.datadir import Utterance, parse_length, parse_segment, write_table
from hubert_iter.data.tables import COLUMNS, Row, read_lines, read_table
from hubert_iter.errors import UserError, summarise

SPEAKER_TABLES = ("spk2gender",)


@dataclass(frozen=True)
class Prepared:
    """Tables by name, each key -> row, and the lines of each tier's CTM by utterance."""

    path: Path
    tables: Mapping[str, Mapping[str, Row]]
    alignments: Mapping[str, Mapping[str, Sequence[str]]]

    @property
    def segmented(self) -> bool:
        """Are utterances parts of recordings?"""
        return "segments" in self.tables

    @property
    def source(self) -> str:
        """The table that says where an utterance's audio is."""
        return "segments" if self.segmented else "wav.scp"

    @property
    def utterances(self) -> list[str]:
        """Their names, in C order."""
        return sorted(self.tables[self.source])

    @property
    def speakers(self) -> dict[str, str]:
        """Utterance -> speaker."""
        return {key: row.value for key, row in self.tables["utt2spk"].items()}

    def seconds(self, utterance: str) -> float:
        """How long an utterance is: from segments or utt2num_samples, else from the audio's header."""
        if self.segmented:
            _, start, end = parse_segment(self.path / "segments", self.tables["segments"][utterance])
            return end - start
        if "utt2num_samples" in self.tables:
            return frames.seconds(
                parse_length(self.path / "utt2num_samples", self.tables["utt2num_samples"][utterance])
            )
        from hubert_iter.data.audio import duration  # numpy and soundfile: not needed where tables say it

        return duration(Utterance(utterance, "", 0, self.tables["wav.scp"][utterance].value))


def read(path: str | Path) -> Prepared:
    """Read a data directory; UserError, with file, line and utterance, where it is not in order."""
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: expected a data directory, found none")
    for name in ("wav.scp", "utt2spk"):
        if not (path / name).is_file():
            raise UserError(f"{path / name}: expected this file, found none. Data preparation has to make it")
    others = [file.name for file in sorted(path.glob("utt2*")) if file.name not in COLUMNS and file.is_file()]
    names = [name for name in (*COLUMNS, *others) if name != "spk2utt" and (path / name).is_file()]
    tables = {name: read_table(path / name) for name in names}
    found = Prepared(path, tables, {tier: _ctm(path / f"{tier}.ctm") for tier in TIERS if _has(path, tier)})
    if not found.utterances:
        raise UserError(f"{path / found.source}: expected at least one utterance, found none")
    _check_keys(found)
    return found


def select(given: Prepared, utterances: Collection[str]) -> Prepared:
    """A part of a data directory."""
    kept = set(utterances)
    speakers = {speaker for utterance, speaker in given.speakers.items() if utterance in kept}
    recordings = kept
    if given.segmented:
        recordings = {given.tables["segments"][utterance].value.split()[0] for utterance in kept}
    keys = {"wav.scp": recordings} | dict.fromkeys(SPEAKER_TABLES, speakers)
    tables = {
        name: {key: row for key, row in rows.items() if key in keys.get(name, kept)}
        for name, rows in given.tables.items()
    }
    alignments = {
        tier: {key: lines for key, lines in found.items() if key in kept} for tier, found in given.alignments.items()
    }
    return Prepared(given.path, tables, alignments)


def combine(given: Sequence[Prepared]) -> Prepared:
    """Several data directories in one; UserError where two say different things, or some lack a table."""
    if any(each.segmented for each in given):
        given = [each if each.segmented else _segmented(each) for each in given]
    names = {name for each in given for name in each.tables}
    # Counted anew by stage 2, and gender is optional for each speaker: neither has to be there of all.
    names = {n for n in names if n not in ("utt2num_samples", "utt2hash") or all(n in each.tables for each in given)}
    for name in sorted(names - set(SPEAKER_TABLES)):
        lacking = [str(each.path) for each in given if name not in each.tables]
        if lacking:
            raise UserError(
                f"{lacking[0]}/{name}: expected this table, which others that are combined have, found none. "
                "Make it, or remove it from the others"
            )
    tables = {name: _joined(name, given) for name in names}
    alignments: dict[str, dict[str, Sequence[str]]] = {}
    for each in given:
        for tier, found in each.alignments.items():
            alignments.setdefault(tier, {}).update(found)
    return Prepared(Path(), tables, alignments)


def write(folder: Path, made: Prepared) -> None:
    """Write all tables in C order, and spk2utt."""
    for name, rows in made.tables.items():
        write_table(folder / name, {key: row.value for key, row in rows.items()})
    by_speaker: dict[str, list[str]] = {}
    for utterance, speaker in sorted(made.speakers.items()):
        by_speaker.setdefault(speaker, []).append(utterance)
    write_table(folder / "spk2utt", {speaker: " ".join(mine) for speaker, mine in by_speaker.items()})
    for tier, found in made.alignments.items():
        lines = "".join(f"{line}\n" for key in sorted(found) for line in found[key])
        (folder / f"{tier}.ctm").write_text(lines, encoding="utf-8")


def _has(path: Path, tier: str) -> bool:
    return (path / f"{tier}.ctm").is_file()


def _ctm(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in read_lines(path):
        fields = line.split(maxsplit=1)
        if fields:
            found.setdefault(fields[0], []).append(line)
    return found


def _check_keys(found: Prepared) -> None:
    """Every table must have every utterance, and no others."""
    wanted = found.tables[found.source]
    for name, rows in found.tables.items():
        if name in SPEAKER_TABLES or (name == "wav.scp" and found.segmented):
            continue
        for first, keys, second, others in ((found.source, wanted, name, rows), (name, rows, found.source, wanted)):
            missing = [key for key in keys if key not in others]
            if missing:
                raise UserError(
                    f"{found.path / first}:{keys[missing[0]].line}: utterance {missing[0]}: not in {second} "
                    f"({len(missing)} in all: {summarise(missing)}). "
                    "Mend it, or let validate_data --fix true drop what not all tables have"
                )
    for key, row in found.tables.get("segments", {}).items():
        recording, _, _ = parse_segment(found.path / "segments", row)
        if recording not in found.tables["wav.scp"]:
            place = f"{found.path / 'segments'}:{row.line}: utterance {key}"
            raise UserError(f"{place}: recording {recording} is not in wav.scp")


def _segmented(given: Prepared) -> Prepared:
    """Whole recordings as segments, where others that are combined have segments."""
    rows = {
        key: Row(row.line, key, f"{key} 0 {given.seconds(key):.6f}") for key, row in given.tables["wav.scp"].items()
    }
    return Prepared(given.path, {**given.tables, "segments": rows}, given.alignments)


def _joined(name: str, given: Iterable[Prepared]) -> dict[str, Row]:
    """One table of several. A key twice is a fault, but for speakers and recordings of which all say the same."""
    joined: dict[str, tuple[Prepared, Row]] = {}
    for each in given:
        for key, row in each.tables.get(name, {}).items():
            earlier = joined.setdefault(key, (each, row))
            if earlier[0] is each:
                continue
            shared = name in SPEAKER_TABLES or (name == "wav.scp" and each.segmented)
            if not shared or earlier[1].value != row.value:
                raise UserError(
                    f"{each.path / name}:{row.line}: {key}: is also in {earlier[0].path / name}:{earlier[1].line}"
                    f"{', with another value' if shared else ''}. Rename one of the two, or leave it out"
                )
    return {key: row for key, (_, row) in joined.items()}
