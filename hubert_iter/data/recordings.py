"""What is known of recordings without reading their audio, and without importing the libraries for that."""

import hashlib
import os
import re
from pathlib import Path

from hubert_iter.data.tables import scan

_OFFSET = re.compile(r"(.+):([0-9]{1,18})")


def split_offset(wav: str) -> tuple[str, int | None]:
    """Split `path:offset` as Kaldi does; a plain path (also one that itself ends in :digits) has no offset."""
    match = _OFFSET.fullmatch(wav)
    if match is None or os.path.exists(wav):
        return wav, None
    return match[1], int(match[2])


def state(path: str | Path) -> str:
    """A hash of the audio files' sizes and times, so that data are examined again after a file was repaired."""
    path = Path(path)
    digest = hashlib.sha256()
    rows = scan(path / "wav.scp")[0] if (path / "wav.scp").is_file() else []
    for row in rows:
        state = ""
        if not row.value.endswith("|"):
            try:
                status = os.stat(split_offset(row.value)[0])
                state = f"{status.st_size} {status.st_mtime_ns}"
            except (OSError, ValueError):  # a path with a zero byte
                state = "missing"
        digest.update(f"{row.key}\0{row.value}\0{state}\n".encode())
    return digest.hexdigest()[:16]
