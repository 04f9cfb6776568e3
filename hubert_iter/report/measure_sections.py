"""The section of each measure: its words, figures and tables, from what the measure says of itself."""

from hubert_iter.report import curves as scores
from hubert_iter.report import figures, pairs, score_tables, tables
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


def build(canvas: Canvas, results: Results, curves: dict[str, scores.Curves], look: Look) -> list[Section]:
    """A section for each measure that has scored anything, drawn on the canvas."""
    sections: list[Section] = []
    told: set[str] = set()
    for name, measured in results.measured.items():
        lines = [line for line in look.lines if curves[name].updates(line)]
        figures.layers(canvas, name, curves[name], measured.measure, Look(lines, look.styles), results.measured)
        figures.checkpoints(canvas, curves[name], measured.measure.metrics, lines)
        pairs.figures(canvas, name, measured, results.specs, look.lines)
        # Several scores by one measure, of recognisers say, are read in the same way: that is told once.
        text = [*(measured.measure.text if measured.measure.title not in told else ()), *_guests(name, results, curves)]
        told.add(measured.measure.title)
        sections.append(_section(measured, results, curves[name], lines, text, first=not sections))
    return sections


def _guests(name: str, results: Results, curves: dict[str, scores.Curves]) -> list[str]:
    """What of other measures is drawn in this one's section."""
    return [
        f"Beside these curves, over the same layers: {metric.label} of {each.measure.heading}."
        for each in results.measured.values()
        for metric in each.measure.metrics
        if metric.beside == name and curves[each.name].of(metric.name)
    ]


def _section(
    measured: Measured, results: Results, curves: scores.Curves, lines: list[str], text: list[str], first: bool
) -> Section:
    """The first measure's best layers head the page already: its tables by layer are shown instead."""
    measure = measured.measure
    shown = [(metric, prop) for metric in measure.metrics for prop in curves.of(metric.name)]
    drawn = [(metric, prop) for metric, prop in shown if metric.drawn]
    if first:
        text.append(f"{SEVERAL if any(curves.networks(line) > 1 for line in lines) else SINGLE} {MARKS}")
    # Scores of studies with other settings cannot be compared.
    told = {key: value for key, value in measured.settings.items() if key not in ("measure", "run", "seed", "trials")}
    if told:
        text.append(f"Settings: {tables.settings_line(told)}.")
    few = [prop for prop in curves.properties() if max(curves.facts.get(prop, {}).get("too_few_instances", (0,)))]
    if few:
        text.append(
            f"Too few instances for the width of the layers: {', '.join(few)}. These scores rest on the regulariser "
            "and are low; compare them with care."
        )
    by_layer = [score_tables.layer_table(curves, prop, lines, metric) for metric, prop in drawn]
    best = score_tables.best_table(curves, drawn, lines)
    further = [score_tables.layer_table(curves, prop, lines, metric) for metric, prop in shown if not metric.drawn]
    facts = [score_tables.facts_table(curves, measure.facts)] if measure.facts else []
    folded = [*pairs.tables(measured, results.specs, lines), *further, *facts]
    if drawn and not first:
        by_layer, folded = [best], [*by_layer, *folded]
    return Section(measured.name, measure.heading, tuple(text), tuple(by_layer), tuple(folded), legend=True)
