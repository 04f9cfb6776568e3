"""Run a command for one row of a table, with {column} replaced by the row's cell: a stage over many networks becomes
one array of jobs. each.py --table FILE --row N -- COMMAND ...
"""

import os
import sys
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.errors import UserError


def main(argv=None) -> None:
    """Become the command."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="cells apart by tabs, a header of names above")
    parser.add_argument("--row", type=int, required=True, help="which row, from 1")
    words = list(sys.argv[1:] if argv is None else argv)
    own = words.index("--") if "--" in words else len(words)
    args = parser.parse_args(words[:own])
    command = fill(words[own + 1 :], args.table, args.row)
    sys.stdout.flush()
    os.execvp(command[0], command)


def fill(command: list[str], table: Path, row: int) -> list[str]:
    """The command's words for a row of the table."""
    try:
        header, *rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
        cells = dict(zip(header, rows[row - 1], strict=True))
    except (OSError, ValueError, IndexError):
        raise UserError(f"{table}: expected a header and row {row} with as many cells, found none") from None
    if not command or row < 1:
        raise UserError(f"expected a command and a row of 1 or more, found {command} and {row}")
    for name, cell in cells.items():
        command = [word.replace("{" + name + "}", cell) for word in command]
    return command


if __name__ == "__main__":
    cli.run(main)
