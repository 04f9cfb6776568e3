"""Tables as stages write them: cells apart by tabs, a header above."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from hubert_iter.errors import UserError


def write(path: Path, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table; one without rows has the header alone."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines("\t".join(cells) + "\n" for cells in (columns, *rows))


def read(path: Path, columns: Sequence[str], stage: str = "its stage") -> list[dict[str, str]]:
    """Rows as column -> cell. The last column must be numbers.

    UserError names file, line and `stage`, which makes the table.
    """

    def fault(line: int, expected: str, found: str) -> UserError:
        return UserError(f"{path}:{line}: expected {expected}, found {found}. Run {stage} again")

    if not path.is_file():
        raise UserError(f"{path}: missing. Run {stage}")
    try:
        header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise fault(1, "UTF-8 text", "other bytes") from None
    if header.split("\t") != list(columns):
        raise fault(1, f"the columns {' '.join(columns)}", header.replace("\t", " ") or "nothing")
    rows = []
    for number, line in enumerate(lines, start=2):
        cells = line.split("\t")
        if len(cells) != len(columns):
            raise fault(number, f"{len(columns)} columns", str(len(cells)))
        try:
            float(cells[-1])
        except ValueError:
            raise fault(number, f"a number as {columns[-1]}", f"'{cells[-1]}'") from None
        rows.append(dict(zip(columns, cells, strict=True)))
    return rows
