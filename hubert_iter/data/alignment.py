"""Where phones and words are: Praat TextGrids and CTM files, and the label of each encoder frame."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hubert_iter import frames
from hubert_iter.data.tables import read_lines
from hubert_iter.errors import UserError

if TYPE_CHECKING:
    import numpy as np

TIERS = ("phones", "words")
# Labels of no word. Not "noise" and "silence": people say these.
NO_WORD = frozenset(
    {"", "sil", "sp", "spn", "nsn", "<eps>", "<sil>", "<s>", "</s>", "<unk>", "<oov>"}
    | {"[noise]", "[silence]", "[laughter]", "++noise++"}
)
SILENCE = NO_WORD | {"silence", "noise"}
_VOWEL = "aa|ae|ah|ao|aw|ax|axr|ay|eh|er|ey|ih|ix|iy|ow|oy|uh|uw|ux"
_STRESSED = re.compile(rf"({_VOWEL})[0-3]")
_ARPABET = re.compile(rf"{_VOWEL}|b|ch|d|dh|dx|el|em|en|f|g|hh|jh|k|l|m|n|ng|nx|p|q|r|s|sh|t|th|v|w|wh|y|z|zh")
_POSITION = re.compile(r"_[BIES]$")
_NEARLY_ALL = 0.8
"""Part of a corpus's phones that show how it writes them; the others may be noises with names of their own."""
_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|(?P<flag><exists>|<absent>)|!.*|(?<!\S)(?P<number>[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)(?!\S)'
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A labelled stretch [start, end) of an utterance, in seconds; `line` is where it was read, 0 if nowhere."""

    utt: str
    start: float
    end: float
    label: str
    line: int = field(default=0, compare=False, repr=False)


def normal_phones(labels: Iterable[str], silence: Container[str] = SILENCE) -> dict[str, str | None]:
    """The name of the phone that each of a corpus's labels stands for; None for silence and noise.

    Kaldi's word positions and, of ARPABET, case and stress say nothing of the phone: AH0_B is ah. Elsewhere they may: S
    of SAMPA is not its s, and t_S is no t. So they go only where nearly all of the labels are written so.
    """
    phones = {label: label.strip() for label in labels}
    normal: dict[str, str | None] = {label: None for label in phones if bare_phone(label) in silence}
    phones = {label: phone for label, phone in phones.items() if label not in normal}
    if _nearly_all(_POSITION.search(phone) for phone in phones.values()):
        phones = {label: _POSITION.sub("", phone) for label, phone in phones.items()}
    arpabet = {label: _arpabet(phone) for label, phone in phones.items()}
    if _nearly_all(_ARPABET.fullmatch(phone) for phone in set(arpabet.values())):
        phones = arpabet
    return normal | phones


def bare_phone(label: str) -> str:
    """Lower-case, without Kaldi word position: as names of silence are compared."""
    return _POSITION.sub("", label.strip()).lower()


def _arpabet(phone: str) -> str:
    """Lower-case, and a vowel without its stress."""
    phone = phone.lower()
    return phone[:-1] if _STRESSED.fullmatch(phone) else phone


def _nearly_all(found: Iterable[object]) -> bool:
    outcomes = [bool(each) for each in found]
    return sum(outcomes) >= _NEARLY_ALL * len(outcomes)


def normalise_word(label: str) -> str | None:
    """Lower-case; None where no word is (silence, noise, unknown)."""
    label = label.strip().lower()
    return None if label in NO_WORD else label


def read_textgrid(path: str | Path) -> dict[str, list[Segment]]:
    """The tiers "phones" and "words" of a Praat TextGrid (long or short text form), labels as written.

    The utterance's name is the file's. UserError with file and line where the file is not as Praat writes it.
    """
    path = Path(path)
    tokens = _Tokens(path)
    tokens.header()
    tiers: dict[str, list[Segment]] = {}
    for _ in range(tokens.count("a number of tiers")):
        kind, name = tokens.text("a tier's class"), tokens.text("a tier's name")
        tokens.number("a tier's start"), tokens.number("a tier's end")
        size = tokens.count("a number of intervals")
        if kind == "IntervalTier":
            segments = [tokens.interval(path.stem) for _ in range(size)]
            # The aligner prefixes a speaker when asked to: "84 - phones".
            tiers.setdefault(name.lower().split(" - ")[-1], segments)
        elif kind == "TextTier":
            for _ in range(size):
                tokens.number("a point's time"), tokens.text("a point's mark")
        else:
            raise tokens.error(f"expected an IntervalTier or TextTier, found '{kind}'")
    for tier in TIERS:
        if tier not in tiers:
            raise UserError(f"{path}: expected a tier '{tier}', found {', '.join(tiers) or 'none'}")
    return {tier: tiers[tier] for tier in TIERS}


class _Tokens:
    """The free-standing numbers, quoted texts and flags of a Praat text file: all that Praat itself looks at."""

    def __init__(self, path: Path):
        self._path = path
        self._content = _decode(path)
        self._matches: Iterator[re.Match] = (m for m in _TOKEN.finditer(self._content) if m.lastgroup)
        self._position = 0
        self._line, self._counted = 1, 0

    def line(self) -> int:
        """Line of the token read last; counted on from the last call, so that a file is gone through once."""
        self._line += self._content.count("\n", self._counted, self._position)
        self._counted = max(self._counted, self._position)
        return self._line

    def error(self, fault: str) -> UserError:
        return UserError(f"{self._path}:{self.line()}: {fault}. Replace the file, or remove it and count it as missing")

    def _next(self, group: str, what: str) -> str:
        match = next(self._matches, None)
        if match is None:
            self._position = len(self._content)
            raise self.error(f"expected {what}, found the end of the file, which is cut off")
        self._position = match.start()
        if match.lastgroup != group:
            raise self.error(f"expected {what}, found {match[0][:40]}")
        return match[group]

    def text(self, what: str) -> str:
        return self._next("text", what).replace('""', '"')

    def number(self, what: str) -> float:
        word = self._next("number", what)
        try:
            value = float(word)
        except ValueError:
            raise self.error(f"expected {what}, found {word}") from None
        if not abs(value) <= frames.MOST_SECONDS:
            raise self.error(f"expected {what}, found {word[:40]}")
        return value

    def count(self, what: str) -> int:
        value = self.number(what)
        if value < 0 or value != int(value):
            raise self.error(f"expected {what}, found {value}")
        return int(value)

    def header(self) -> None:
        if not self.text("the file type").startswith("ooTextFile") or self.text("the class") != "TextGrid":
            raise self.error("expected a Praat TextGrid in text form, found another kind of file")
        self.number("the start"), self.number("the end")
        if self._next("flag", "<exists>") != "<exists>":
            raise self.error("expected tiers, found <absent>")

    def interval(self, utterance: str) -> Segment:
        start = self.number("an interval's start")
        line = self.line()
        end = self.number("an interval's end")
        label = self.text("an interval's label")
        if end < start:
            raise self.error(f"utterance {utterance}: interval '{label}' ends at {end} before it starts at {start}")
        return Segment(utterance, start, end, label, line)


def _decode(path: Path) -> str:
    """A TextGrid's content: Praat writes ASCII, UTF-8, or UTF-16 with a byte-order mark."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: expected a TextGrid, found no file") from None
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: expected {encoding} text, found other bytes. Save the file as UTF-8") from None


def read_ctm(path: str | Path) -> dict[str, list[Segment]]:
    """Read `utterance channel start duration label [confidence]` lines; labels as written, sorted by start."""
    path = Path(path)
    segments: dict[str, list[Segment]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        if len(fields) not in (5, 6):
            raise UserError(
                f"{path}:{number}: utterance {fields[0]}: expected '<utterance> <channel> <start> <duration> <label>', "
                f"found {len(fields)} columns"
            )
        try:
            start, duration = float(fields[2]), float(fields[3])
        except ValueError:
            raise UserError(
                f"{path}:{number}: utterance {fields[0]}: expected start and duration in seconds, found {fields[2:4]}"
            ) from None
        if not (0 <= start <= frames.MOST_SECONDS and 0 <= duration <= frames.MOST_SECONDS):
            raise UserError(
                f"{path}:{number}: utterance {fields[0]}: expected a start and a duration of 0 s or more, found "
                f"{start} and {duration}"
            )
        segment = Segment(fields[0], start, round(start + duration, 7), fields[4], number)
        segments.setdefault(segment.utt, []).append(segment)
    for found in segments.values():
        found.sort(key=lambda segment: (segment.start, segment.end))
    return segments


def write_ctm(path: str | Path, segments: Iterable[Segment]) -> None:
    """Write a CTM sorted by utterance (C order) and time."""
    lines = []
    for segment in sorted(segments, key=lambda segment: (segment.utt, segment.start, segment.end)):
        if not segment.label or len(segment.label.split()) != 1:
            raise UserError(f"{path}: utterance {segment.utt}: label '{segment.label}' is empty or has a space")
        # The duration of the rounded times, so that neighbours that touch do so after reading as well.
        start, end = round(segment.start, 6), round(segment.end, 6)
        lines.append(f"{segment.utt} 1 {start:.6f} {end - start:.6f} {segment.label}\n")
    Path(path).write_text("".join(lines), encoding="utf-8")


def frame_labels(segments: Iterable[Segment], num_frames: int, phone_index: Mapping[str, int]) -> "np.ndarray":
    """The phone at each frame's centre, sample 320 t + 200: int32 [num_frames], -1 where there is none.

    `segments` are those of one utterance and do not overlap; UserError for a label that `phone_index` lacks.
    """
    import numpy as np  # here: gathering alignments does not need it

    segments = sorted(segments, key=lambda segment: segment.start)
    labels = np.full(num_frames, -1, dtype=np.int32)
    for segment in segments:
        if segment.label not in phone_index:
            place = f"phone '{segment.label}' at {segment.start} s"
            raise UserError(f"utterance {segment.utt}: {place} is not in the phone set")
        first, end = frames.centred(segment.start, segment.end, num_frames)
        labels[first:end] = phone_index[segment.label]
    return labels
