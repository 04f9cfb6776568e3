"""Phone and word times of English speech by pocketsphinx, which a laptop runs in about a tenth of real time.

The words are known, so the decoder only says when each is spoken (`set_align_text`); a second pass divides the words
into phones. `bestpath` is off: the lattice's best path may leave words out. Phones are the 39 of ARPABET.

Words that the dictionary lacks (a quarter of LibriSpeech's test-other utterances have one) are pronounced by the rules
of espeak-ng. Which, and how, is written down in the dictionary's own form, to be mended and given back as a lexicon.
"""

import importlib.metadata
import importlib.util
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hubert_iter.corpora import ipa
from hubert_iter.data.alignment import NO_WORD, Segment, normalise_word
from hubert_iter.data.tables import read_lines
from hubert_iter.errors import UserError, summarise

if TYPE_CHECKING:  # numpy, which is not needed to say "up to date"
    import numpy as np

    from hubert_iter.data.datadir import Utterance

PACKAGE = "pocketsphinx"
FRAME_SECONDS = 0.01
BEAMS = {"beam": 1e-200, "pbeam": 1e-200, "wbeam": 1e-160}
"""Wide: with its own (1e-48) the decoder loses unusual accents, a fifth of a synthetic set, and is little faster."""
VOICE = "gmw/en-US"
"""espeak's accent for words that the dictionary lacks: the acoustic model is of American English."""
_OWN = "~own"
"""Ends the names of words of the user's lexicon, so that they do not meet those of the dictionary."""
_EDGES = ".,;:!?\"()[]{}<>-_'"
_INSIDE = re.compile(r"[^\w'.-]+")
Lexicon = dict[str, tuple[str, ...]]
"""Word -> ARPABET phones in upper case, without stress, as pocketsphinx has them."""
log = logging.getLogger(__name__)


def check() -> None:
    """UserError where the package is missing."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise UserError(
            f"making alignments needs {PACKAGE}, which is not installed: tools/install.sh --extras test,align (in an "
            "environment of your own: pip install -e '.[align]'). Other ways: docs/alignments.md"
        )


def version() -> str:
    """What the times depend on."""
    check()
    return f"{PACKAGE} {importlib.metadata.version(PACKAGE)}"


def read_lexicon(path: str | Path) -> Lexicon:
    """Read `word phone phone ...` lines (CMU's form, stress digits or not); UserError names the line."""
    known = {phone.upper() for phone in ipa.PHONES}
    lexicon: Lexicon = {}
    for number, line in enumerate(read_lines(Path(path)), start=1):
        word, *phones = line.split() or [""]
        if not word or word.startswith(";;"):
            continue
        phones = [phone.upper().rstrip("0123") for phone in phones]
        wrong = [phone for phone in phones if phone not in known]
        if wrong or not phones:
            raise UserError(
                f"{path}:{number}: word {word}: expected '<word> <phone> ...' with phones of "
                f"{' '.join(sorted(known))}, found {f'the phone {wrong[0]}' if wrong else 'no phone'}"
            )
        word = word.lower()
        if "(" in word and word.partition("(")[0] not in lexicon:
            raise UserError(f"{path}:{number}: {word}: expected the word itself before it, found another pronunciation")
        lexicon[word] = tuple(phones)
    return lexicon


def write_lexicon(path: Path, lexicon: Mapping[str, Sequence[str]]) -> None:
    """Write what `read_lexicon` reads, in C order."""
    path.write_text("".join(f"{word} {' '.join(lexicon[word])}\n" for word in sorted(lexicon)), encoding="utf-8")


@dataclass
class Aligned:
    """Times of some utterances; why others have none; pronunciations that were guessed."""

    phones: list[Segment] = field(default_factory=list)
    words: list[Segment] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    guessed: Lexicon = field(default_factory=dict)


class Aligner:
    """A decoder with its dictionary. Use as a context manager. What it says of an utterance rests on that one alone."""

    def __init__(self, lexicon_file: str | Path = "", guess: bool = True):
        """The user's lexicon goes before the dictionary; with `guess` espeak-ng pronounces what neither has."""
        check()
        lexicon = read_lexicon(lexicon_file) if lexicon_file else {}
        from pocketsphinx import Decoder

        self._decoder = Decoder(lm=None, bestpath=False, loglevel="FATAL", **BEAMS)
        self._own: dict[str, str] = {}
        for word in sorted(lexicon):  # a word before its alternatives, word(2) and so on
            base, bracket, number = word.partition("(")
            self._own[word] = f"{base}{_OWN}{bracket}{number}"
            self._add(self._own[word], lexicon[word])
        self._synthesiser = None
        if guess:
            from hubert_iter.corpora.espeak import Synthesiser

            self._synthesiser = Synthesiser()
            self._synthesiser.set_voice(VOICE, 175, 50, 50)
        self.guessed: Lexicon = {}

    def __enter__(self) -> "Aligner":
        """Nothing to do."""
        return self

    def __exit__(self, *exception) -> None:
        """Unload what speaks."""
        if self._synthesiser is not None:
            self._synthesiser.close()

    def align(
        self, utterance: "Utterance", transcript: str, samples: "np.ndarray"
    ) -> tuple[list[Segment], list[Segment]]:
        """Phones and words with their times, for int16 samples [N] at 16 kHz; UserError says why there are none.

        Words are labelled as the transcript has them, in lower case.
        """
        spoken = [word for word in map(normalise_word, transcript.split()) if word]
        entries = {word: self._entry(word) for word in spoken}
        unknown = [word for word, entry in entries.items() if entry is None]
        if unknown:
            raise UserError(f"words that the dictionary does not have: {summarise(sorted(unknown))}")
        spoken = [word for word in spoken if entries[word]]
        if not spoken:
            raise UserError("the transcript has no word")
        found = self._decode(" ".join(entries[word] for word in spoken), samples)
        if len(found) != len(spoken):
            raise UserError("the words were not found in the audio: does the transcript belong to it?")
        words, phones = [], []
        for label, (start, end, parts) in zip(spoken, found, strict=True):
            words.append(Segment(utterance.id, start, end, label))
            phones += [Segment(utterance.id, *part) for part in parts]
        return phones, words

    def _decode(self, text: str, samples: "np.ndarray") -> list[tuple[float, float, list[tuple[float, float, str]]]]:
        """Start, end and phones of each word; none where the decoder does not come to the end of the text."""
        content = samples.tobytes()
        try:
            self._decoder.set_align_text(text)
            self._run(content)
            if self._decoder.hyp() is None:
                return []
            self._decoder.set_alignment()
            self._run(content)
            alignment = self._decoder.get_alignment()
        except RuntimeError:  # all that the package raises
            return []
        words = []
        for word in alignment or ():
            if word.name.split("(")[0] in NO_WORD or word.name.startswith(("[", "++", "<")):
                continue
            parts = [(*_times(phone), phone.name.lower()) for phone in word]
            words.append((*_times(word), parts))
        return words

    def _run(self, content: bytes) -> None:
        self._decoder.reinit_feat()  # else what it took for noise in the utterance before is taken off this one
        self._decoder.start_utt()
        self._decoder.process_raw(content, full_utt=True)
        self._decoder.end_utt()

    def _entry(self, word: str) -> str | None:
        """The word's name in the dictionary; "" for what is nothing but punctuation, None where it has none."""
        word = _INSIDE.sub("", word.replace("\u2019", "'"))
        bare = word.strip(_EDGES)
        if not bare:
            return ""
        for form in (word, bare):
            if form in self._own:
                return self._own[form]
            if self._decoder.lookup_word(form) is not None:
                return form
        if self._synthesiser is None:
            return None
        phones = tuple(
            phone.upper() for symbol in self._synthesiser.phonemes(bare) for phone in ipa.arpabet(symbol)
        )  # fmt: skip
        if not phones:
            return None
        self._add(bare, phones)
        self.guessed[bare] = phones
        return bare

    def _add(self, word: str, phones: Sequence[str]) -> None:
        self._decoder.add_word(word, " ".join(phones), True)


def _times(entry) -> tuple[float, float]:
    """Start and end in seconds, exact to the decoder's frames."""
    return round(entry.start * FRAME_SECONDS, 2), round((entry.start + entry.duration) * FRAME_SECONDS, 2)


def align(utterances: Sequence["Utterance"], text: Mapping[str, str], aligner: Aligner) -> Aligned:
    """Align all utterances; those without times are listed with the reason."""
    import numpy as np

    from hubert_iter.data.audio import read_audio

    result = Aligned()
    for number, utterance in enumerate(utterances, start=1):
        samples = np.round(read_audio(utterance) * 32767).astype(np.int16)
        try:
            phones, words = aligner.align(utterance, text.get(utterance.id, ""), samples)
        except UserError as error:
            result.missing[utterance.id] = str(error)
        else:
            result.phones += phones
            result.words += words
        if number % 100 == 0 or number == len(utterances):
            log.info("%d of %d utterances aligned", number - len(result.missing), number)
    result.guessed = aligner.guessed
    return result
