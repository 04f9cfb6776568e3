"""What is known of recordings without reading their audio, and without importing the libraries for that."""

import hashlib
import os
import re
import shlex
import shutil
from pathlib import Path

from hubert_iter.data.tables import scan
from hubert_iter.frames import SAMPLE_RATE

SHARED_SPEAKERS = "shared_speakers.txt"
"""In a data directory: speakers that another set has too, where that is allowed, and which set."""
_SOX = (".wav", ".flac", ".aif", ".aiff", ".au", ".ogg", ".sph", ".voc", ".w64")
_OFFSET = re.compile(r"(.+):([0-9]{1,18})")


def split_offset(wav: str) -> tuple[str, int | None]:
    """Split `path:offset` as Kaldi does; a plain path (also one that itself ends in :digits) has no offset."""
    match = _OFFSET.fullmatch(wav)
    if match is None or os.path.exists(wav):
        return wav, None
    return match[1], int(match[2])


def is_command(wav: str) -> bool:
    """True for an entry of wav.scp that is run, not opened."""
    return wav.endswith("|")


def missing(path: str) -> str:
    """Why an entry of wav.scp that names no file may do so, as "no such file" and the likeliest cause."""
    first, *rest = path.split()
    if rest and shutil.which(first):
        return f"no such file. It begins with the program {first}: a command must end in |, so write '{path} |'"
    for place in (match.end() for match in re.finditer(r"\s+", path)):
        if os.path.exists(path[place:]):
            return (
                f"no such file, but {path[place:]} is one: there is a space in the id, which ends at the first space. "
                "Write ids without spaces, in all tables"
            )
    if any(word.startswith("-") for word in rest):
        return (
            f"no such file. If it is meant as a command (it has options), it must end in |, so write '{path} |', and "
            f"install {first}, which is no program here"
        )
    if not os.path.isabs(path):
        return (
            f"no such file in {os.getcwd()}. Relative paths begin at the folder that the program runs in, which is the "
            "recipe's: write absolute ones, or start it there"
        )
    return "no such file"


def conversion(wav: str) -> str:
    """A command for wav.scp that gives this audio as it is wanted here; "" for a place in an ark."""
    rate = f"{SAMPLE_RATE:d}"
    if is_command(wav):
        return f"{wav.rstrip('|').rstrip()} | sox -t wav - -r {rate} -c 1 -b 16 -t wav - |"
    path, offset = split_offset(wav)
    if offset is not None:
        return ""
    if Path(path).suffix.lower() in _SOX:
        return f"sox {shlex.quote(path)} -r {rate} -c 1 -b 16 -t wav - |"
    return f"ffmpeg -nostdin -v error -i {shlex.quote(path)} -ar {rate} -ac 1 -f wav - |"


def are_dumped(path: str | Path) -> bool:
    """True when some audio of a data directory is parts of recordings, or the output of commands.

    Such audio is written once (`audio_ark`): it would be decoded anew for every crop.
    """
    path = Path(path)
    if (path / "segments").is_file():
        return True
    return (path / "wav.scp").is_file() and any(is_command(row.value) for row in scan(path / "wav.scp")[0])


def are_relative(path: str | Path) -> bool:
    """True when some path in a data directory's wav.scp begins at the folder that the program runs in."""
    scp = Path(path) / "wav.scp"
    rows = scan(scp)[0] if scp.is_file() else []
    return any(not is_command(row.value) and not os.path.isabs(row.value) for row in rows)


def state(path: str | Path) -> str:
    """A hash of the audio files' sizes and times, so that data are examined again after a file was repaired."""
    path = Path(path)
    digest = hashlib.sha256()
    rows = scan(path / "wav.scp")[0] if (path / "wav.scp").is_file() else []
    for row in rows:
        state = ""
        if not is_command(row.value):
            try:
                status = os.stat(split_offset(row.value)[0])
                state = f"{status.st_size} {status.st_mtime_ns}"
            except (OSError, ValueError):  # a path with a zero byte
                state = "missing"
        digest.update(f"{row.key}\0{row.value}\0{state}\n".encode())
    return digest.hexdigest()[:16]
