"""Speech from espeak-ng through ctypes, with the time of every phoneme and word to the sample.

The library keeps state between sentences (phase, pseudo-random voicing), so the same sentence sounds a little
different each time it is spoken. A `Synthesiser` therefore loads its own copy of the library: what it says depends only
on what it was asked to say before.
"""

import _ctypes
import ctypes
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubert_iter.corpora.sentences import words as sentence_words
from hubert_iter.errors import UserError

SAMPLE_RATE = 22050
_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: espeak_Synth returns when all is spoken, sound and events go to the callback
_OPTIONS = 0x1 | 0x2 | 0x8000  # phoneme events; their names in IPA; return an error where it would exit
_BUFFER_MS = 200  # room for 60 events a buffer; those beyond are dropped silently
_UTF8, _END_PAUSE = 0x1, 0x1000
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_IPA, _BETWEEN = 0x02, "_"  # of espeak_TextToPhonemes: names in IPA, and what is written between them
_WORD, _PHONEME = 1, 7  # espeak_EVENT_TYPE
_SOUNDLESS = 64  # samples, one step of the library's synthesis: an event of less has no sound of its own


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class Span:
    """Samples [start, end) at 22050 Hz in which a phoneme (IPA with stress marks) or a word is spoken."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Speech:
    """A spoken sentence: int16 samples at 22050 Hz, its phonemes and its words. Pauses are in neither list."""

    samples: np.ndarray
    phonemes: list[Span]
    words: list[Span]


class Synthesiser:
    """A private copy of espeak-ng. Use as a context manager; speak() is not thread-safe."""

    def __init__(self):
        """Load and start the library; UserError where that fails."""
        library, data = find_library()
        self._folder = tempfile.TemporaryDirectory(prefix="hubert_iter_espeak_")
        # The loader takes a copy at another path for another library, with fresh state.
        copy = shutil.copy(library, Path(self._folder.name) / Path(library).name)
        self._library = ctypes.CDLL(copy)
        self._sound: list[np.ndarray] = []
        self._events: list[tuple[int, int, int, str]] = []
        self._callback = _Callback(self._receive)  # kept: the library holds no reference
        rate = self._library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, str(data).encode(), _OPTIONS)
        if rate != SAMPLE_RATE:
            self.close()
            raise UserError(
                f"{library}: expected espeak-ng to start at {SAMPLE_RATE} Hz, found {rate}. "
                "Install it again: pip install --force-reinstall espeakng-loader"
            )
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p

    def __enter__(self) -> "Synthesiser":
        """Nothing to do: the library is started already."""
        return self

    def __exit__(self, *exception) -> None:
        """Unload the library."""
        self.close()

    def close(self) -> None:
        """Unload the copy of the library and delete it."""
        if self._library is not None:
            self._library.espeak_Terminate()
            _ctypes.dlclose(self._library._handle)
            self._library = None
            self._folder.cleanup()

    def set_voice(self, voice: str, rate: int, pitch: int, pitch_range: int) -> None:
        """Choose accent and variant (`gmw/en-US+f1`), words a minute (80 to 450), pitch and its range (0 to 100)."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UserError(f"espeak voice '{voice}': not known. Voices are named accent+variant, such as gmw/en-US+f1")
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)

    def phonemes(self, word: str) -> list[str]:
        """How the voice pronounces a word, by espeak-ng's rules: IPA with stress marks, without any sound."""
        place = ctypes.c_char_p(word.encode())
        found: list[str] = []
        while place.value is not None:  # the library moves it on, clause by clause, and at the end to nowhere
            spoken = self._library.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, _IPA | ord(_BETWEEN) << 8)
            found += (spoken or b"").decode().replace(" ", _BETWEEN).split(_BETWEEN)
        return [name for name in found if name.strip("ˈˌ")]

    def speak(self, sentence: str) -> Speech | None:
        """Speak a sentence; None where espeak runs words together, so that a word has no time of its own."""
        words = sentence.split()
        text = " | ".join(words)  # the bars keep neighbouring words apart in the events; they are not spoken
        self._sound, self._events = [], []
        content = text.encode()
        flags = _UTF8 | _END_PAUSE
        if self._library.espeak_Synth(content, ctypes.c_size_t(len(content) + 1), 0, 1, 0, flags, None, None) != 0:
            raise UserError(f"espeak-ng could not speak '{sentence}'")
        starts = np.cumsum([1] + [len(word) + 3 for word in words[:-1]])  # positions count from 1
        found = [position for kind, _, position, _ in self._events if kind == _WORD]
        if found != starts.tolist():
            return None
        samples = np.concatenate(self._sound)
        phonemes, spoken = _spans(self._events, samples, sentence_words(sentence))
        return None if spoken is None else Speech(samples, phonemes, spoken)

    def _receive(self, sound, count: int, events) -> int:
        if sound and count:
            self._sound.append(np.ctypeslib.as_array(sound, (count,)).copy())
        index = 0
        while events[index].type != 0:
            event = events[index]
            if event.type in (_WORD, _PHONEME):
                name = _name(event) if event.type == _PHONEME else ""
                self._events.append((event.type, event.sample, event.text_position, name))
            index += 1
        return 0


def _name(event: _Event) -> str:
    """A phoneme's name. The library cuts one of more than 8 bytes, maybe inside a character."""
    return ctypes.string_at(ctypes.addressof(event.id), 8).split(b"\0")[0].decode(errors="ignore")


def find_library() -> tuple[str, str]:
    """Paths of the espeak-ng library and of its data."""
    try:
        import espeakng_loader
    except ImportError:
        raise UserError("espeakng_loader: not installed, it makes the speech: pip install espeakng-loader") from None
    library, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
    if not Path(library).is_file():
        raise UserError(f"{library}: expected the espeak-ng library, found no file: pip install espeakng-loader")
    return library, data


def version() -> str:
    """The version of the espeak-ng library, which settles what it says."""
    library = ctypes.CDLL(find_library()[0])
    library.espeak_Info.restype = ctypes.c_char_p
    return library.espeak_Info(None).decode().split()[0]


def _spans(
    events: list[tuple[int, int, int, str]], samples: np.ndarray, words: list[str]
) -> tuple[list[Span], list[Span] | None]:
    """Turn the library's start events into spans. Words are None when one of them has no phoneme.

    Three facts of the library decide the boundaries. A stop's closure (digital silence) comes before its event: the
    silence is the stop's, unless a pause precedes. After a liquid or nasal, a vowel's event comes after its first
    frames: at the start of a word the word's event tells where they begin. An l or r after a vowel may be nothing but
    the end of that vowel, its own event having no sound: it gets the last third of the two.
    """
    entries = _entries(events)
    sounding = np.flatnonzero(samples)
    starts: list[int] = []
    for index, entry in enumerate(entries):
        start = entry.sample
        if entry.name and index and entries[index - 1].name:
            before = np.searchsorted(sounding, entry.earliest) - 1
            silence = sounding[before] + 1 if before >= 0 else 0
            start = max(int(silence), starts[-1])
        starts.append(start)
    ends = [*starts[1:], len(samples)]
    for index in range(1, len(entries)):
        soundless = ends[index] - starts[index] < _SOUNDLESS and bool(entries[index].name)
        if soundless and entries[index - 1].name:
            starts[index] = ends[index - 1] = starts[index] - (starts[index] - starts[index - 1]) // 3
    spans = [
        (Span(start, end, entry.name), entry.word)
        for entry, start, end in zip(entries, starts, ends, strict=True)
        if entry.name and end > start
    ]
    spoken = []
    for index, text in enumerate(words):
        own = [span for span, word in spans if word == index]
        if not own:
            return [span for span, _ in spans], None
        spoken.append(Span(own[0].start, own[-1].end, text))
    return [span for span, _ in spans], spoken


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str  # "" for a pause
    sample: int
    earliest: int  # the word's event for its first phoneme, else the same as `sample`
    word: int


def _entries(events: list[tuple[int, int, int, str]]) -> list[_Entry]:
    """The phonemes and pauses in order."""
    entries = []
    word, word_start = -1, None
    for kind, sample, _, name in events:
        if kind == _WORD:
            word, word_start = word + 1, sample
            continue
        entries.append(_Entry(name, sample, sample if word_start is None else word_start, word))
        word_start = None
    # A pause of no length is a link between words.
    following = [*(entry.earliest for entry in entries[1:]), len(events) and events[-1][1] + 1]
    return [entry for entry, after in zip(entries, following, strict=True) if entry.name or after > entry.sample]
