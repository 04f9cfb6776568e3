"""Which segments are scored: phones, words and speakers of the evaluation set, drawn by seed, the same for every run.

A draw depends on the seed, the property, the sample set and the label alone, never on a model, so that adding a run (or
another label) changes no one else's segments. docs/protocol.md section 4, points 2 to 4.
"""

import json
import logging
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubert_iter.data.alignment import Segment, normalise_word
from hubert_iter.data.datadir import Utterance
from hubert_iter.data.tables import read_lines
from hubert_iter.errors import UserError
from hubert_iter.frames import FRAME_RATE, num_frames, touching
from hubert_iter.options import option

FILE_NAME = "samples.tsv"
FACTS_NAME = "facts.json"
FACTS = ("wanted", "found", "kept", "lost", "minimum")
SPEAKERS_FILE = "speakers.tsv"
SPEAKER_COLUMNS = ("utterance", "speaker")
COLUMNS = ("property", "sample_set", "instance", "utterance", "start_frame", "end_frame", "label")
PROPERTIES = ("phone", "word", "speaker")
NOTHING_SAMPLED = "no property has two classes in the evaluation set"
"""Why a measure of classes leaves a network out, where there is neither an alignment nor a second speaker."""
# The instances of a class lie in different parts (folds.deal), and a trial takes two parts for dev and test: of three
# instances at least one is trained on. With fewer, a class may be tested that was never trained.
LEAST = 3
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How much is drawn of the evaluation set."""

    max_per_phone: int = option(200, "instances per phone at most", least=LEAST, most=10**7)
    num_words: int = option(500, "how many of the most frequent training words are analysed", least=2, most=10**7)
    max_per_word: int = option(15, "instances per word at most", least=LEAST, most=10**7)
    min_per_word: int = option(
        LEAST, "words with fewer instances are left out; with 3, each split trains on at least one", least=1, most=10**7
    )
    max_per_speaker: int = option(500, "instances per speaker at most", least=LEAST, most=10**7)
    speaker_chunk_seconds: float = option(
        0.0, "a speaker's instances are chunks of this length; 0 for whole utterances", least=0, most=3600
    )
    sample_sets: int = option(3, "independent draws of instances", least=1, most=100)
    frames: int = option(20000, "single frames, for measures without segments", least=1000, most=10**8)

    def __post_init__(self):
        if 0 < self.speaker_chunk_seconds < 1 / FRAME_RATE:
            raise UserError(
                f"speaker_chunk_seconds: expected 0 or at least a frame, {1 / FRAME_RATE} s, found "
                f"{self.speaker_chunk_seconds:g}"
            )


@dataclass(frozen=True, order=True)
class Span:
    """Frames [start, end) of an utterance whose mean is one instance of a label."""

    utterance: str
    start: int
    end: int
    label: str


Samples = dict[tuple[str, int], list[Span]]


def phone_core(start: int, end: int) -> tuple[int, int]:
    """The middle of a phone: floor((n + 1) / 3) frames dropped from each side; of two frames the second is kept."""
    drop = (end - start + 1) // 3
    return (start + drop, end - drop) if end - start > 2 * drop else (end - 1, end)


def phone_spans(utterances: Iterable[Utterance], alignments: Mapping[str, Sequence[Segment]]) -> list[Span]:
    """All phones of the aligned utterances, trimmed to their middles."""
    spans = _spans(utterances, alignments)
    return [Span(span.utterance, *phone_core(span.start, span.end), span.label) for span in spans]


def word_spans(
    utterances: Iterable[Utterance], alignments: Mapping[str, Sequence[Segment]], words: Iterable[str]
) -> list[Span]:
    """All occurrences of `words` in the aligned utterances."""
    wanted = set(words)
    return [span for span in _spans(utterances, alignments) if span.label in wanted]


def speaker_spans(utterances: Iterable[Utterance], chunk_seconds: float = 0.0) -> list[Span]:
    """Whole utterances, or with `chunk_seconds` above 0 consecutive chunks of that length (the rest is not used)."""
    spans = []
    for utterance in utterances:
        total = num_frames(utterance.num_samples)
        length = round(chunk_seconds * FRAME_RATE) if chunk_seconds > 0 else total
        for start in range(0, total - length + 1, max(length, 1)) if length else ():
            spans.append(Span(utterance.id, start, start + length, utterance.speaker))
    return spans


def _spans(utterances: Iterable[Utterance], alignments: Mapping[str, Sequence[Segment]]) -> list[Span]:
    """Segments in frames; those that lie wholly behind the last frame are left out."""
    spans = []
    for utterance in utterances:
        total = num_frames(utterance.num_samples)
        for segment in alignments.get(utterance.id, ()):
            start, end = touching(segment.start, segment.end, total)
            if start < end:
                spans.append(Span(utterance.id, start, end, segment.label))
    return spans


def frequent_words(text: str | Path, count: int) -> list[str]:
    """The `count` most frequent words of a Kaldi text file (ties in alphabetical order), normalised."""
    counts: Counter[str] = Counter()
    try:
        with open(text, encoding="utf-8") as file:
            for line in file:
                counts.update(word for word in map(normalise_word, line.split()[1:]) if word)
    except FileNotFoundError:
        raise UserError(
            f"{text}: expected the training transcripts, found nothing. Give --train_text the train set's text"
        ) from None
    if not counts:
        raise UserError(f"{text}: expected lines 'utterance words ...', found no word. Give the train set's text")
    return [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:count]]


def draw(spans: Iterable[Span], prop: str, sample_set: int, seed: int, most: int, least: int = 1) -> list[Span]:
    """At most `most` spans of each label with at least `least`, sorted by utterance and time."""
    by_label = defaultdict(list)
    for span in spans:
        by_label[span.label].append(span)
    drawn = []
    for label, candidates in by_label.items():
        if len(candidates) < least:
            continue
        generator = np.random.default_rng([seed, sample_set, zlib.crc32(f"{prop} {label}".encode())])
        candidates.sort()
        drawn.extend(candidates[index] for index in generator.permutation(len(candidates))[:most])
    return sorted(drawn)


@dataclass(frozen=True)
class Candidates:
    """What the instances of one property are drawn from: the classes wanted, all their spans, and the limits."""

    wanted: frozenset[str]
    spans: list[Span]
    most: int
    least: int

    def counts(self) -> Counter[str]:
        """Spans of each class that has any."""
        return Counter(span.label for span in self.spans)

    def kept(self) -> set[str]:
        """Classes with enough instances; none when they are fewer than two, since there is nothing to tell apart."""
        classes = {label for label, count in self.counts().items() if count >= self.least}
        return classes if len(classes) >= 2 else set()

    def facts(self) -> dict[str, int]:
        """FACTS: classes wanted, found with one instance at least, kept, and lost (found but not kept); the minimum."""
        found, kept = len(self.counts()), len(self.kept())
        values = (len(self.wanted), found, kept, found - kept, self.least)
        return dict(zip(FACTS, values, strict=True))


def candidates(
    utterances: Sequence[Utterance],
    phones: Mapping[str, Sequence[Segment]],
    words: Mapping[str, Sequence[Segment]],
    vocabulary: Sequence[str],
    limits: Limits,
) -> dict[str, Candidates]:
    """All that may be drawn, by property. Wanted are the alignments' phones, the vocabulary, the data's speakers."""
    return {
        "phone": Candidates(
            frozenset(segment.label for utterance in utterances for segment in phones.get(utterance.id, ())),
            phone_spans(utterances, phones), limits.max_per_phone, LEAST,
        ),
        "word": Candidates(
            frozenset(vocabulary), word_spans(utterances, words, vocabulary), limits.max_per_word, limits.min_per_word
        ),
        "speaker": Candidates(
            frozenset(utterance.speaker for utterance in utterances),
            speaker_spans(utterances, limits.speaker_chunk_seconds), limits.max_per_speaker, LEAST,
        ),
    }  # fmt: skip


def sample(found: Mapping[str, Candidates], sample_sets: int, seed: int) -> Samples:
    """Draw from `candidates`, all properties and sample sets; one with fewer than two classes is left out, said so.

    UserError where there is nothing to draw although there are alignments. Without, frames are left to be scored.
    """
    samples: Samples = {}
    for prop, pool in found.items():
        facts = pool.facts()
        if not facts["kept"]:
            log.warning(
                "%s: fewer than 2 of %d classes have %d instances or more: %s is left out",
                prop, facts["found"], pool.least, prop,
            )  # fmt: skip
            continue
        for sample_set in range(sample_sets):
            samples[prop, sample_set] = draw(pool.spans, prop, sample_set, seed, pool.most, pool.least)
        log.info(
            "%s: %d classes wanted, %d found, %d kept, %d lost for having fewer than %d instances; "
            "%d instances drawn of %d segments",
            prop, *(facts[name] for name in FACTS), len(samples[prop, 0]), len(pool.spans),
        )  # fmt: skip
    if not samples and found["phone"].wanted:
        raise UserError("no property has two classes to score. Check the alignments and the evaluation set")
    return samples


def write_facts(folder: Path, found: Mapping[str, Candidates]) -> None:
    """Write facts.json: how many classes of each property were wanted, found, kept and lost."""
    facts = {prop: pool.facts() for prop, pool in found.items()}
    (Path(folder) / FACTS_NAME).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_facts(folder: str | Path) -> dict[str, dict[str, int]]:
    """Read facts.json: property -> FACTS (wanted, found, kept, lost, minimum) -> number of classes (of instances)."""
    path = Path(folder) / FACTS_NAME
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: missing. Run sample_segments (stage 8) again") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not valid JSON. Run sample_segments (stage 8) again") from None
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: expected UTF-8 text, found other bytes. Run sample_segments (stage 8) again"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({error}). Run sample_segments (stage 8) again") from None
    for prop in PROPERTIES:
        row = facts.get(prop) if isinstance(facts, dict) else None
        if not isinstance(row, dict) or not all(isinstance(row.get(name), int) for name in FACTS):
            raise UserError(
                f"{path}: {prop}: expected the numbers {', '.join(FACTS)}, found {json.dumps(row)}. "
                "Run sample_segments (stage 8) again"
            )
    return facts


def write(folder: Path, samples: Samples) -> None:
    """Write samples.tsv: one line per instance, frames already trimmed, end exclusive."""
    with open(Path(folder) / FILE_NAME, "w", encoding="utf-8") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for (prop, sample_set), spans in samples.items():
            for index, span in enumerate(spans):
                file.write(f"{prop}\t{sample_set}\t{index}\t{span.utterance}\t{span.start}\t{span.end}\t{span.label}\n")


def read(folder: str | Path) -> Samples:
    """Read samples.tsv: (property, sample set) -> spans, in the order of the file."""
    path = Path(folder) / FILE_NAME
    samples: Samples = {}
    if not path.is_file():
        raise UserError(f"{path}: missing. Run sample_segments (stage 8)")
    header, *lines = read_lines(path) or [""]
    if tuple(header.split("\t")) != COLUMNS:
        raise UserError(f"{path}:1: expected the columns {' '.join(COLUMNS)}. Run sample_segments again")
    for number, line in enumerate(lines, 2):
        try:
            prop, sample_set, index, utterance, start, end, label = line.split("\t")
            spans = samples.setdefault((prop, int(sample_set)), [])
            span = Span(utterance, int(start), int(end), label)
        except ValueError:
            raise UserError(f"{path}:{number}: expected {len(COLUMNS)} columns, found '{line[:200]}'") from None
        if index != str(len(spans)) or not 0 <= span.start < span.end:
            raise UserError(
                f"{path}:{number}: expected instance {len(spans)} with start before end, "
                f"found instance {index}, frames {start} to {end}. Run sample_segments again"
            )
        spans.append(span)
    return samples


def write_speakers(folder: Path, utterances: Iterable[Utterance]) -> None:
    """Write speakers.tsv: who speaks each utterance of the evaluation set."""
    with open(Path(folder) / SPEAKERS_FILE, "w", encoding="utf-8") as file:
        file.write("\t".join(SPEAKER_COLUMNS) + "\n")
        for utterance in utterances:
            file.write(f"{utterance.id}\t{utterance.speaker}\n")


def read_speakers(folder: str | Path) -> dict[str, str]:
    """Read speakers.tsv: utterance -> speaker."""
    path = Path(folder) / SPEAKERS_FILE
    if not path.is_file():
        raise UserError(
            f"{path}: expected who speaks each utterance, found no file. Run sample_segments (stage 8) again"
        )
    speakers = {}
    header, *lines = read_lines(path) or [""]
    if tuple(header.split("\t")) != SPEAKER_COLUMNS:
        raise UserError(f"{path}:1: expected the columns {' '.join(SPEAKER_COLUMNS)}. Run sample_segments again")
    for number, line in enumerate(lines, 2):
        utterance, _, speaker = line.partition("\t")
        if not speaker or "\t" in speaker:
            raise UserError(f"{path}:{number}: expected an utterance and its speaker, found '{line[:200]}'")
        speakers[utterance] = speaker
    return speakers


def class_numbers(labels: Sequence[str]) -> np.ndarray:
    """Labels as numbers 0..K-1, in alphabetical order."""
    return np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)[1]
