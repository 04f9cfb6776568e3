"""A part of a report, independent of whether it becomes a page or Markdown."""

from dataclasses import dataclass

from hubert_iter.report.tables import Table


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
