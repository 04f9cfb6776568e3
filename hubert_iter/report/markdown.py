"""The summary for RESULTS.md: answers, tables and one picture, readable where HTML is not."""

from typing import TYPE_CHECKING

from hubert_iter.report.section import Table

if TYPE_CHECKING:  # it loads matplotlib
    from hubert_iter.report.content import Content

LEFT_OUT = ("networks", "phones", "checkpoints", "guide", "provenance")
"""What does not belong into a summary; it is on the page."""


def render(content: "Content") -> str:
    """The summary as Markdown text."""
    parts = [f"# {content.title}"]
    if content.question:
        parts.append(escape(content.question))
    if content.note:
        parts.append(f"> {content.note}")
    parts += [f"> {escape(caution)}" for caution in content.cautions]
    if content.verdicts.rows:
        parts.append(table(content.verdicts))
    if content.glance.rows:
        parts.append(table(content.glance))
    for heading, group in content.answers:
        parts += [f"**{heading}**", "\n".join(f"- {escape(sentence)}" for sentence in group)]
    if not content.answers:
        parts.append("No scores yet.")
    if content.missing:
        parts.append("Not in this report: " + " ".join(escape(note) for note in content.missing))
    for section in (section for section in content.sections if section.name not in LEFT_OUT):
        parts.append(f"## {section.title}")
        parts += [escape(paragraph) for paragraph in section.text]
        if any(drawing.name == section.name for drawing in content.drawings):
            parts.append(f"![{escape(section.title)}](figures/{section.name}.png)")
        parts += [table(each) for each in section.tables if each.rows]
    return "\n\n".join(parts) + "\n"


def table(shown: Table) -> str:
    """A table below its caption."""
    rows = [
        [f"**{cell}**" if (number, column) in shown.strong else escape(cell) for column, cell in enumerate(row)]
        for number, row in enumerate(shown.rows)
    ]
    lines = ["| " + " | ".join(row) + " |" for row in [shown.header, ["---"] * len(shown.header), *rows]]
    return f"{escape(shown.caption)}:\n\n" + "\n".join(lines)


def escape(text: str) -> str:
    """Keep what Markdown would take for markup."""
    for mark in ("\\", "|", "*", "_", "<"):
        text = text.replace(mark, "\\" + mark)
    return text
