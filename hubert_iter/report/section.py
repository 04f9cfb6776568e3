"""Parts of a report, independent of whether they become a page or Markdown."""

import math
from dataclasses import dataclass

NONE = "–"


@dataclass(frozen=True)
class Table:
    """A header and rows of text; `strong` holds the (row, column) of cells to stress; wordy ones wrap."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    strong: frozenset[tuple[int, int]] = frozenset()
    wordy: bool = False


@dataclass(frozen=True)
class Section:
    """A heading, text, figures (found by the section's name), tables, and tables that start folded."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: tuple[Table, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    legend: bool = False
    beside: bool = False
    """Tables stand beside a tall figure where there is room."""

    @property
    def has_content(self) -> bool:
        """True where there is more to show than text and figures."""
        return bool(self.definitions) or any(table.rows for table in (*self.tables, *self.folded))


def number(value: float | None, form: str = "") -> str:
    """A cell: by `form`, or whole numbers as such and others with three decimals; NONE for none, and for nan."""
    if value is None or not math.isfinite(value):
        return NONE
    whole = isinstance(value, int) or (value.is_integer() and abs(value) > 1)
    return format(value, form or (",.0f" if whole else ".3f"))
