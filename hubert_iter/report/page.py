"""One HTML page that holds everything: no other file, no script, wide and narrow screens, light and dark."""

import html

from hubert_iter.report import style
from hubert_iter.report.content import Content
from hubert_iter.report.figures import Drawing
from hubert_iter.report.section import Section
from hubert_iter.report.tables import Table

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
        f"<h1>{html.escape(content.title)}</h1>",
        f'<p class="question">{html.escape(content.question)}</p>' if content.question else "",
        f'<p class="note">{html.escape(content.note)}</p>' if content.note else "",
        _answers(content),
        _missing(content.missing),
        *(_section(section, content) for section in content.sections),
    ]
    links = "".join(f'<a href="#{section.name}">{html.escape(section.title)}</a>' for section in content.sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(content.title)}</title>\n<style>{_css()}</style>\n</head>\n<body>\n"
        f"<nav>{links}</nav>\n<main>\n" + "\n".join(part for part in parts if part) + "\n</main>\n</body>\n</html>\n"
    )


def _css() -> str:
    light, dark = (" ".join(f"--{key}: {pair[side]};" for key, pair in style.THEME.items()) for side in (0, 1))
    return CSS.replace("LIGHT", light).replace("DARK", dark)


def _answers(content: Content) -> str:
    if not content.answers and not content.glance:
        return "<p>No scores yet: the answers appear here once stage 9 has run.</p>"
    parts = []
    for heading, group in content.answers:
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in group)
        parts.append(f'<section><h3>{html.escape(heading)}</h3><ul class="answers">{items}</ul></section>')
    glance = _table(content.glance) if content.glance else ""
    return f'{glance}\n<div class="groups">{"".join(parts)}</div>'


def _missing(missing: tuple[str, ...]) -> str:
    if not missing:
        return ""
    return f'<p class="muted">Not in this report: {html.escape(" ".join(missing))}</p>'


def _section(section: Section, content: Content) -> str:
    parts = [f'<h2 id="{section.name}">{html.escape(section.title)}</h2>']
    parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in section.text]
    drawings = [drawing for drawing in content.drawings if drawing.section == section.name]
    if drawings and section.legend:
        parts.append(_legend(content))
    if drawings:
        kind = "figures pairs" if len(drawings) in (2, 4) else "figures"
        parts.append(f'<div class="{kind}">{"".join(_figure(drawing) for drawing in drawings)}</div>')
    parts += [_table(table) for table in section.tables]
    if section.beside and drawings:
        parts[-len(section.tables) - 1 :] = [f'<div class="beside">{"".join(parts[-len(section.tables) - 1 :])}</div>']
    for table in section.folded:
        summary = f"<summary>{html.escape(table.caption)}</summary>"
        parts.append(f"<details>{summary}{_table(table, caption=False)}</details>")
    if section.definitions:
        rows = "".join(f"<dt>{html.escape(a)}</dt><dd>{html.escape(b)}</dd>" for a, b in section.definitions)
        parts.append(f"<dl>{rows}</dl>")
    return "\n".join(parts)


def _legend(content: Content) -> str:
    items = "".join(
        f'<li><span style="color: var(--{look.colour}); opacity: {look.alpha:g}">{look.glyph}</span> '
        f"{html.escape(run)}</li>"
        for run, look in content.styles.items()
    )
    return f'<ul class="legend">{items}</ul>'


def _figure(drawing: Drawing) -> str:
    return f"<figure>{style.inline(drawing.svg, drawing.name, drawing.description)}</figure>"


def _table(table: Table, caption: bool = True) -> str:
    if not table.rows:
        return ""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.header)
    rows = []
    for number, row in enumerate(table.rows):
        cells = []
        for column, cell in enumerate(row):
            strong = ' class="strong"' if (number, column) in table.strong else ""
            cells.append(f"<td{strong}>{html.escape(cell)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    title = f"<caption>{html.escape(table.caption)}</caption>" if caption else ""
    kind = ' class="text"' if table.wordy else ""
    return (
        f'<div class="scroll"><table{kind}>{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
