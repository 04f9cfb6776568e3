"""The files of a folder at any depth, as a user means them: corpora are often linked folders."""

from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path, inside: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """All files below the folder, in the order of names. Links are followed, which `rglob` does not do.

    `inside`: the folders that led here. A link back to one of them would go on for ever: it is not entered again.
    """
    real = folder.resolve()
    if real in inside:
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from files_below(path, inside | {real})
        else:
            yield path
