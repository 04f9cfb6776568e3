"""The summary for RESULTS.md: answers, tables and one picture, readable where HTML is not."""

from hubert_iter.report.content import Content
from hubert_iter.report.section import Table

LEFT_OUT = ("networks", "phones", "checkpoints", "guide", "provenance")
"""What does not belong into a summary; it is on the page."""


def render(content: Content) -> str:
    """The summary as Markdown text."""
    parts = [f"# {content.title}"]
    if content.question:
        parts.append(_text(content.question))
    if content.note:
        parts.append(f"> {content.note}")
    parts += [f"> {_text(caution)}" for caution in content.cautions]
    if content.verdicts.rows:
        parts.append(_table(content.verdicts))
    if content.glance.rows:
        parts.append(_table(content.glance))
    for heading, group in content.answers:
        parts += [f"**{heading}**", "\n".join(f"- {_text(sentence)}" for sentence in group)]
    if not content.answers:
        parts.append("No scores yet.")
    if content.missing:
        parts.append("Not in this report: " + " ".join(_text(note) for note in content.missing))
    for section in (section for section in content.sections if section.name not in LEFT_OUT):
        parts.append(f"## {section.title}")
        parts += [_text(paragraph) for paragraph in section.text]
        if any(drawing.name == section.name for drawing in content.drawings):
            parts.append(f"![{_text(section.title)}](figures/{section.name}.png)")
        parts += [_table(table) for table in section.tables if table.rows]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    rows = [
        [f"**{cell}**" if (number, column) in table.strong else _text(cell) for column, cell in enumerate(row)]
        for number, row in enumerate(table.rows)
    ]
    lines = ["| " + " | ".join(row) + " |" for row in [table.header, ["---"] * len(table.header), *rows]]
    return f"{_text(table.caption)}:\n\n" + "\n".join(lines)


def _text(text: str) -> str:
    """Keep what Markdown would take for markup."""
    for mark in ("\\", "|", "*", "_", "<"):
        text = text.replace(mark, "\\" + mark)
    return text
