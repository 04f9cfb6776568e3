"""One HTML page that holds everything: no other file, no script, wide and narrow screens, light and dark."""

from collections.abc import Iterable
from html import escape

from hubert_iter.report import style
from hubert_iter.report.content import Content
from hubert_iter.report.section import Section, Table

CSS = """
:root { color-scheme: light dark; --font: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  LIGHT }
@media (prefers-color-scheme: dark) { :root { DARK } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--surface); color: var(--ink); font: 16px/1.55 var(--font); }
main, nav { max-width: 72rem; margin: 0 auto; padding: 0 1rem; }
main { padding-bottom: 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1.6rem 0 .6rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .5rem; padding-top: .8rem; border-top: 1px solid var(--grid); }
p, li, dd { max-width: 46rem; }
.question { font-size: 1.1rem; margin: 0 0 .8rem; }
.muted, .note { color: var(--muted); }
.note { border-left: 3px solid var(--c5); padding-left: .8rem; }
nav { font-size: .9rem; padding-top: .8rem; display: flex; flex-wrap: wrap; gap: .1rem 1rem; }
nav a { color: var(--muted); }
h3 { font-size: 1rem; margin: 1.1rem 0 .2rem; }
.groups { columns: 3 20rem; column-gap: 2rem; }
.groups h3 { break-after: avoid; }
.groups section:first-child h3 { margin-top: 0; }
.groups li { break-inside: avoid; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1.2rem; }
.beside > * { min-width: 0; }
ul.answers { font-size: .9375rem; line-height: 1.45; margin: 0; padding-left: 1.2rem; }
ul.answers li { margin: .3rem 0; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .6rem 0; padding: 0; list-style: none; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(21rem, 100%), 1fr)); gap: 1.2rem;
  align-items: start; }
.figures.pairs { grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); }
figure { margin: 0; max-width: 34rem; }
svg { display: block; width: 100%; height: auto; stroke-linejoin: round; }
.scroll { overflow-x: auto; margin: .8rem 0 1.4rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); padding-bottom: .3rem; position: sticky; left: 0; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--surface);
  padding-left: 0; }
table.text th, table.text td { text-align: left; white-space: normal; vertical-align: top; overflow-wrap: anywhere;
  min-width: 5rem; }
table.text th { overflow-wrap: normal; }
thead th { color: var(--muted); font-weight: 600; vertical-align: bottom; white-space: normal; }
td.strong { font-weight: 700; }
details { margin: .8rem 0; }
summary { cursor: pointer; color: var(--muted); }
dt { font-weight: 600; margin-top: .8rem; }
dd { margin: .1rem 0 0; }
@media (max-width: 34rem) { body { font-size: 15px; } h1 { font-size: 1.4rem; } table { font-size: .8rem; }
  th, td { padding: .22rem .5rem; } }
@media print { nav { display: none; } details > * { display: block; } }
"""


def render(content: Content) -> str:
    """The whole page as text."""
    parts = [
        f"<h1>{escape(content.title)}</h1>",
        f'<p class="question">{escape(content.question)}</p>' if content.question else "",
        f'<p class="note">{escape(content.note)}</p>' if content.note else "",
        *(f'<p class="note">{escape(caution)}</p>' for caution in content.cautions),
        _table(content.verdicts),
        _answers(content),
        f'<p class="muted">Not in this report: {escape(" ".join(content.missing))}</p>' if content.missing else "",
        *(_section(section, content) for section in content.sections),
    ]
    links = "".join(f'<a href="#{section.name}">{escape(section.title)}</a>' for section in content.sections)
    light, dark = (" ".join(f"--{key}: {pair[side]};" for key, pair in style.THEME.items()) for side in (0, 1))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(content.title)}</title>\n"
        f"<style>{CSS.replace('LIGHT', light).replace('DARK', dark)}</style>\n</head>\n<body>\n"
        f"<nav>{links}</nav>\n<main>\n" + "\n".join(part for part in parts if part) + "\n</main>\n</body>\n</html>\n"
    )


def _answers(content: Content) -> str:
    if not content.answers and not content.glance.rows:
        return "<p>No scores yet: the answers appear here once stage 9 has run.</p>"
    groups = "".join(
        f'<section><h3>{escape(heading)}</h3><ul class="answers">{_each("li", group)}</ul></section>'
        for heading, group in content.answers
    )
    return f'{_table(content.glance)}\n<div class="groups">{groups}</div>'


def _section(section: Section, content: Content) -> str:
    drawings = [drawing for drawing in content.drawings if drawing.section == section.name]
    parts = [f'<h2 id="{section.name}">{escape(section.title)}</h2>', _each("p", section.text, "\n")]
    if drawings and section.legend:
        parts.append(_legend(content.styles))
    svg = "".join(f"<figure>{style.inline(each.svg, each.name, each.description)}</figure>" for each in drawings)
    kind = "figures pairs" if len(drawings) in (2, 4) else "figures"
    shown = [f'<div class="{kind}">{svg}</div>' if svg else "", *map(_table, section.tables)]
    parts += [f'<div class="beside">{"".join(shown)}</div>'] if section.beside and svg else shown
    for table in section.folded:
        if table.rows:
            parts.append(f"<details><summary>{escape(table.caption)}</summary>{_table(table, caption=False)}</details>")
    if section.definitions:
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in section.definitions)
        parts.append(f"<dl>{rows}</dl>")
    return "\n".join(part for part in parts if part)


def _legend(styles: dict[str, style.RunStyle]) -> str:
    items = "".join(
        f'<li><span style="color: var(--{look.colour}); opacity: {look.alpha:g}">{look.glyph}</span> {escape(run)}</li>'
        for run, look in styles.items()
    )
    return f'<ul class="legend">{items}</ul>'


def _table(table: Table, caption: bool = True) -> str:
    if not table.rows:
        return ""
    mark = {True: ' class="strong"', False: ""}
    rows = (
        "".join(f"<td{mark[(number, column) in table.strong]}>{escape(cell)}</td>" for column, cell in enumerate(row))
        for number, row in enumerate(table.rows)
    )
    title = f"<caption>{escape(table.caption)}</caption>" if caption else ""
    kind = ' class="text"' if table.wordy else ""
    head, body = _each('th scope="col"', table.header), "".join(f"<tr>{cells}</tr>" for cells in rows)
    return f'<div class="scroll"><table{kind}>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _each(tag: str, texts: Iterable[str], between: str = "") -> str:
    """An element around each of the texts; `tag` may have attributes."""
    return between.join(f"<{tag}>{escape(text)}</{tag.split()[0]}>" for text in texts)
