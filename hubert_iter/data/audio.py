"""Audio of one utterance, whole or in part, from what Kaldi's wav.scp allows: paths, ark:offset and commands.

Called from data-loader workers thousands of times a minute: a crop of a FLAC is found by seeking, not by decoding
what comes before it.
"""

import hashlib
import io
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import soundfile

from hubert_iter.data.recordings import conversion, is_command, missing, split_offset
from hubert_iter.errors import UserError
from hubert_iter.frames import SAMPLE_RATE

if TYPE_CHECKING:
    from hubert_iter.data.datadir import Utterance

OVERSHOOT = 0.05  # seconds by which `segments` may end after its recording: times there are often rounded
UNREADABLE = (soundfile.LibsndfileError, OSError, ValueError, OverflowError)
"""What opening and reading a damaged file, or one at an impossible place, may end in."""
# libsndfile shortens a truncated WAV without an error, and says so only in its log.
_SHORTENED = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)


class AudioError(UserError):
    """Audio of one utterance that cannot be used: which file, why, and what kind of fault it is."""

    def __init__(self, utterance: "Utterance", fault: str, kind: str = "audio"):
        """`fault` says what was expected and found; `kind` is audio, missing, rate, channels or segments."""
        self.utterance, self.fault, self.kind = utterance, fault, kind
        self.advice = advice(kind, utterance.wav)
        super().__init__(
            f"{utterance.wav}: utterance {utterance.id}: {fault}. {self.advice}; "
            "--fix true (filter_data, validate_data) drops the utterance"
        )


def advice(kind: str, wav: str) -> str:
    """What to do about a fault of this kind."""
    if kind in ("rate", "channels"):
        command = conversion(wav)
        by_hand = f", or write a command into wav.scp: {command}" if command else ""
        return f"Convert all such audio by --resample true (ssl.sh, filter_data){by_hand}"
    if kind == "missing":
        return "Mend the path in wav.scp, or put the file there"
    return "Correct the times" if kind == "segments" else "Repair the file"


def _unreadable(utterance: "Utterance", done: str, error: Exception) -> AudioError:
    """The fault of audio that cannot be `done` because of one of UNREADABLE."""
    kind = "missing" if isinstance(error, FileNotFoundError) else "audio"
    return AudioError(utterance, f"cannot be {done} ({error})", kind)


def read_audio(utterance: "Utterance", start: int = 0, num_samples: int | None = None) -> np.ndarray:
    """Read samples [start, start + num_samples) of the utterance, by default all: float32 [N] in +-1, not normalised.

    UserError, naming file and utterance, when the audio is missing, unreadable, shorter than utt2num_samples says,
    of another rate than 16 kHz, or has several channels.
    """
    if num_samples is None:
        num_samples = utterance.num_samples - start
    if start < 0 or num_samples < 0 or start + num_samples > utterance.num_samples:
        asked = f"samples {start} to {start + num_samples}"
        raise ValueError(f"{utterance.id}: {asked} asked for, it has {utterance.num_samples}")
    offset = 0 if utterance.start is None else round(utterance.start * SAMPLE_RATE)
    try:
        with open_audio(utterance) as file:
            _check_format(file, utterance)
            if offset + start:
                file.seek(offset + start)
            samples = file.read(num_samples, dtype="float32")
    except UNREADABLE as error:
        raise _unreadable(utterance, "read", error) from None
    if len(samples) != num_samples:
        last = offset + start
        found = f"expected samples {last} to {last + num_samples}, found {len(samples)} of these {num_samples}"
        raise AudioError(utterance, f"{found}, so the file is truncated or utt2num_samples is wrong")
    return samples


def duration(utterance: "Utterance") -> float:
    """Seconds of the recording that holds the utterance, by its header, at whatever rate; UserError as `load`."""
    try:
        with open_audio(utterance) as file:
            return file.frames / file.samplerate
    except UNREADABLE as error:
        raise _unreadable(utterance, "read", error) from None


def hash_of(samples: np.ndarray) -> str:
    """Hash of float samples."""
    return hashlib.blake2b(np.ascontiguousarray(samples, dtype="<f4"), digest_size=16).hexdigest()


class Loaded(NamedTuple):
    """All samples of an utterance, float32 [N] at 16 kHz, and whether they had to be converted for that."""

    samples: np.ndarray
    converted: bool


def load(utterance: "Utterance", resample: bool = False) -> Loaded:
    """All samples of one utterance, whose `num_samples` is not used; `resample` as in `load_each`.

    AudioError as for `read_audio`; this finds truncated and corrupt files whose header is sound.
    """
    try:
        with open_audio(utterance) as file:
            return _load(file, utterance, resample)
    except UNREADABLE as error:
        raise _unreadable(utterance, "decoded", error) from None


def load_each(utterances: Sequence["Utterance"], resample: bool = False) -> Iterator[Loaded | AudioError]:
    """Each utterance's samples, or what is wrong with it. All are of one recording.

    The recording is opened once, and a command is run once. `resample`: other rates and several channels are no fault,
    but are converted.
    """
    try:
        recording = _Recording(utterances[0])
    except UNREADABLE as error:
        yield from (_unreadable(utterance, "decoded", error) for utterance in utterances)
        return
    with recording:
        for utterance in utterances:
            try:
                yield _load(recording.file, utterance, resample)
            except AudioError as error:
                yield error
            except UNREADABLE as error:
                yield _unreadable(utterance, "decoded", error)
                # The decoder may have lost its way; what comes later in the recording may be sound.
                recording.open_again()


class _Recording:
    """An open recording; the output of a command is kept, so that it runs once."""

    def __init__(self, utterance: "Utterance"):
        self._utterance = utterance
        self._output = _output(utterance.wav) if is_command(utterance.wav) else None
        self.file = open_audio(utterance, self._output)

    def open_again(self) -> None:
        self.file.close()
        self.file = open_audio(self._utterance, self._output)

    def __enter__(self) -> "_Recording":
        return self

    def __exit__(self, *_) -> None:
        self.file.close()


def _load(file: soundfile.SoundFile, utterance: "Utterance", resample: bool) -> Loaded:
    if not resample:
        _check_format(file, utterance)
    rate, stated = file.samplerate, file.frames
    first = 0 if utterance.start is None else round(utterance.start * rate)
    last = stated if utterance.end is None else round(utterance.end * rate)
    shortened = None if is_command(utterance.wav) else _SHORTENED.search(file.extra_info)
    if shortened:
        found = f"its header promises {shortened[1]} bytes of samples, found {shortened[2]}"
        raise AudioError(utterance, f"truncated: {found}")
    if last > stated + OVERSHOOT * rate or first > min(last, stated):
        found = f"expected {last / rate:.3f} s as segments says, found {stated / rate:.3f} s"
        raise AudioError(utterance, found, "segments")
    last = min(last, stated)
    file.seek(first)
    # Not int16: all samples of a file of floats in +-1 would become 0.
    samples = file.read(last - first, dtype="float32")
    if len(samples) != last - first:
        raise AudioError(utterance, f"truncated: its header promises {last - first} samples, found {len(samples)}")
    if not np.isfinite(samples).all():
        where = int(np.argmin(np.isfinite(samples).reshape(len(samples), -1).all(axis=1))) / rate
        raise AudioError(
            utterance, f"expected samples in +-1, found one that is no number (NaN or infinite) at {where:.3f} s"
        )
    if samples.ndim > 1:
        samples = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        samples = _resampled(samples, rate)
    return Loaded(samples, file.channels > 1 or rate != SAMPLE_RATE)


def _resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples at 16 kHz, float32; torchaudio's windowed sinc, which shifts nothing in time."""
    import torch  # takes seconds, for what few corpora need

    return _resampler(rate)(torch.from_numpy(samples)).numpy()


@lru_cache(maxsize=8)
def _resampler(rate: int):
    import torchaudio

    return torchaudio.transforms.Resample(rate, SAMPLE_RATE)


def open_audio(utterance: "Utterance", output: bytes | None = None) -> soundfile.SoundFile:
    """Open the recording that holds the utterance, positioned at its first sample; `output`: what its command gave."""
    wav = utterance.wav
    if is_command(wav):
        if output is None:
            output = _cached_output(wav) if utterance.start is not None else _output(wav)
        return soundfile.SoundFile(io.BytesIO(output))
    path, offset = split_offset(wav)
    if not os.path.exists(path):
        raise FileNotFoundError(missing(path))
    if offset is not None:
        return soundfile.SoundFile(_FileAt(path, offset))
    return soundfile.SoundFile(path)


def _output(command: str) -> bytes:
    """The standard output of a wav.scp command (which ends in |), run by bash as Kaldi's are by sh."""
    process = subprocess.run(["bash", "-c", command.rstrip()[:-1]], capture_output=True)
    if process.returncode != 0:
        last = process.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise OSError(f"the command ended with {process.returncode}: {last[0]}")
    return process.stdout


# One recording is cut into many utterances that are read one after another; do not decode it for each.
_cached_output = lru_cache(maxsize=1)(_output)


class _FileAt(io.RawIOBase):
    """One recording within an ark as a file of its own: WAV as Kaldi writes it, or ESPnet's AUDIO<size><any format>."""

    def __init__(self, path: str, offset: int):
        self._file = open(path, "rb")  # noqa: SIM115 - closed with this object
        self._file.seek(offset)
        head = self._file.read(16)
        self._first, self._size = offset, os.fstat(self._file.fileno()).st_size - offset
        if head[:4] == b"RIFF":
            self._size = min(self._size, int.from_bytes(head[4:8], "little") + 8)
        elif head[:5] == b"AUDIO" and len(head) > 5:
            width = head[5]
            self._first, said = offset + 6 + width, int.from_bytes(head[6 : 6 + width], "little")
            self._size = min(said, self._size - 6 - width)
        self.seek(0)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer) -> int:
        """Read, not beyond the recording's end."""
        left = max(0, self._size - self.tell())
        return self._file.readinto(memoryview(buffer)[:left])

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Seek within the recording."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        return self._file.seek(self._first + start + position) - self._first

    def tell(self) -> int:
        """Position within the recording."""
        return self._file.tell() - self._first

    def close(self) -> None:
        """Close the ark."""
        self._file.close()
        super().close()


def _check_format(file: soundfile.SoundFile, utterance: "Utterance") -> None:
    if file.samplerate != SAMPLE_RATE:
        raise AudioError(utterance, f"expected {SAMPLE_RATE} Hz, found {file.samplerate} Hz", "rate")
    if file.channels != 1:
        raise AudioError(utterance, f"expected one channel, found {file.channels}", "channels")
