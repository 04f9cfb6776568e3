"""The section of each measure: text, figures and tables, from the measure's own description."""

from collections.abc import Sequence

from hubert_iter.report import figures, pairs, tables
from hubert_iter.report.curves import Curves
from hubert_iter.report.figures import Canvas, Look
from hubert_iter.report.read import Measured, Results
from hubert_iter.report.section import Section

SEVERAL = (
    "Where a condition has several networks, thin lines are the networks, the thick line is their mean and the "
    "band its 95 % interval over networks; of two networks that interval is wider than the panel."
)
SINGLE = (
    "Bands are 95 % intervals over segments, splits and evaluation speakers of one network; they say nothing of other "
    "networks."
)
MARKS = "Each line's best layer is bold in the tables. Pale lines are of networks that have not learnt to use context."


def build(canvas: Canvas, results: Results, curves: dict[str, Curves], look: Look) -> list[Section]:
    """A section for each measure that has scored anything, drawn on the canvas."""
    sections = []
    for name, measured in results.measured.items():
        lines = [line for line in look.lines if curves[name].updates(line)]
        mine = Look(lines, look.styles)
        figures.layers(canvas, name, curves[name], measured.measure.metrics, mine)
        figures.checkpoints(canvas, curves[name], measured.measure.metrics, lines)
        pairs.figures(canvas, name, measured, results.specs, look.lines)
        sections.append(_section(measured, results, curves[name], lines, first=not sections))
    return sections


def _section(measured: Measured, results: Results, curves: Curves, lines: list[str], first: bool) -> Section:
    """The first measure's best layers head the page already: its tables by layer are shown instead."""
    measure = measured.measure
    shown = [(metric, prop) for metric in measure.metrics for prop in curves.of(metric.name)]
    drawn = [(metric, prop) for metric, prop in shown if metric.drawn]
    text = list(measure.text)
    if first:
        text += [f"{SEVERAL if any(curves.networks(line) > 1 for line in lines) else SINGLE} {MARKS}"]
    text += _settings(measured)
    few = [prop for prop in curves.properties() if max(curves.facts.get(prop, {}).get("too_few_instances", (0,)))]
    if few:
        text.append(
            f"Too few instances for the width of the layers: {', '.join(few)}. These scores rest on the regulariser "
            "and are low; compare them with care."
        )
    by_layer = [tables.layer_table(curves, prop, lines, metric) for metric, prop in drawn]
    shown_tables = by_layer if first or not drawn else [tables.best_table(curves, drawn, lines)]
    return Section(
        measured.name,
        measure.title,
        tuple(text),
        tuple(shown_tables),
        (
            *(by_layer if not first else ()),
            *pairs.tables(measured, results.specs, lines),
            *(tables.layer_table(curves, prop, lines, metric) for metric, prop in shown if not metric.drawn),
            *([tables.facts_table(curves, measure.facts)] if measure.facts else []),
        ),
        legend=True,
    )


def _settings(measured: Measured) -> Sequence[str]:
    """The settings in one sentence: scores of studies with other ones cannot be compared."""
    told = {
        name: value for name, value in measured.settings.items() if name not in ("measure", "run", "seed", "trials")
    }
    return [f"Settings: {tables.settings_line(told)}."] if told else []
