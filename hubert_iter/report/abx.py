"""Phone ABX in the report: figures, tables and how to read them."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from hubert_iter.report import curves as scores
from hubert_iter.report import style
from hubert_iter.report.figures import Canvas, label_ends, layer_ticks
from hubert_iter.report.read import Results
from hubert_iter.report.tables import NONE, Table

CONDITIONS = {"abx_within": "within speakers", "abx_across": "across speakers"}
CHANCE = 0.5
FACTS = ("tokens", "phones", "speakers")
TEXT = (
    "Is a phone token X nearer to an A of its own phone than to a B of another one? Shown is the share of triples in "
    "which it is not: lower is better, 0.5 is chance. Within speakers one voice says all three, across speakers X is "
    "another's; what the second adds to the first is what voices do to the distances between phones.",
    "Nothing is fitted here, whereas CCA looks for the best linear map: a second opinion beside phone PWCCA. Where "
    "both rank layers or runs alike, the finding does not rest on the measure. A layer with high PWCCA and high ABX "
    "error holds the phones, in directions that others outweigh.",
)


def figures(canvas: Canvas, errors: scores.Curves, runs: Sequence[str], styles: dict[str, style.RunStyle]) -> None:
    """A panel for each condition, on one scale."""
    values = [CHANCE, *(point.mean for points in errors.points.values() for point in points.values())]
    limits = max(min(values) - 0.05, 0), max(values) + 0.05
    for metric, name in CONDITIONS.items():
        if any(errors.last(run, "phone", metric) for run in runs):
            canvas.add(
                f"layers_{metric}",
                "abx",
                f"phone ABX error {name} of each run over the layers, with chance level",
                lambda figure, metric=metric: _panel(figure, errors, metric, runs, styles, limits),
            )


def _panel(figure: Figure, errors: scores.Curves, metric: str, runs: Sequence[str], styles, limits: tuple) -> None:
    axes: Axes = figure.add_subplot()
    ends = []
    for run in runs:
        points = errors.last(run, "phone", metric)
        if not points:
            continue
        look = styles[run]
        numbered = sorted((scores.position(layer), point.mean) for layer, point in points.items() if layer != "conv")
        # conv is not joined, as in the figures of CCA.
        apart = [(scores.position("conv"), points["conv"].mean)] if "conv" in points else []
        for part in (numbered, apart):
            axes.plot(
                *zip(*part, strict=True), marker=look.marker, color=look.hex, dashes=look.dashes, alpha=look.alpha
            )
        ends.append((run, numbered[-1][1], look))
    axes.axhline(CHANCE, color=style.MUTED, linewidth=1, dashes=(5, 3))
    axes.text(0.02, CHANCE, "chance", transform=axes.get_yaxis_transform(), va="bottom", fontsize=8, color=style.MUTED)
    axes.set_ylim(*limits)
    axes.yaxis.set_major_locator(MultipleLocator(0.1))
    layer_ticks(axes, [scores.position(tap) for tap in errors.layers(runs, "phone", metric)])
    axes.set(title=f"phone ABX, {CONDITIONS[metric]}", xlabel="layer", ylabel="error (lower is better)")
    label_ends(axes, ends)


def text(results: Results, errors: scores.Curves) -> tuple[str, ...]:
    """How to read the section, and what was compared in which context."""
    settings = next((item["settings"] for item in results.provenance if item["command"] == "score_abx"), {})
    facts = {name: max(values) for name, values in errors.facts.get("phone", {}).items()}
    where = {"any": "between any neighbours", "within": "between the same two neighbours"}.get(settings.get("context"))
    tokens, phones, speakers = (f"{facts.get(f'abx_{name}', 0):,.0f}" for name in FACTS)
    compared = f"Compared are {tokens} tokens of {phones} phones by {speakers} speakers"
    return *TEXT, compared + (f", {where}." if where else ".")


def layer_tables(errors: scores.Curves, runs: Sequence[str]) -> tuple[Table, ...]:
    """For each condition layers down, runs across; each run's lowest error is stressed."""
    tables = []
    for metric, name in CONDITIONS.items():
        points = {run: found for run in runs if (found := errors.last(run, "phone", metric))}
        taps = errors.layers(points, "phone", metric)
        rows = [[tap, *(str(found[tap]) if tap in found else NONE for found in points.values())] for tap in taps]
        strong = {
            (taps.index(min(found, key=lambda tap: found[tap].mean)), column)
            for column, found in enumerate(points.values(), 1)
        }
        tables.append(Table(f"ABX error {name}", ["layer", *points], rows, frozenset(strong)))
    return tuple(table for table in tables if table.rows)


def best_table(errors: scores.Curves, curves: scores.Curves, runs: Sequence[str]) -> Table:
    """One row per run: the layer that each measure finds best, and the final one, conv left aside."""
    rows = []
    for run in runs:
        if not errors.updates(run):
            continue
        row = [run]
        for found, better in (
            (curves.last(run, "phone"), max),
            *((errors.last(run, "phone", metric), min) for metric in CONDITIONS),
        ):
            layers = {layer: point.mean for layer, point in found.items() if layer != "conv"}
            if not layers:
                row += [NONE, NONE]
                continue
            best = better(layers, key=layers.get)
            row += [f"{layers[best]:.3f} ({best})", f"{layers[max(layers, key=scores.position)]:.3f}"]
        rows.append(row)
    names = ("PWCCA", "ABX within", "ABX across")
    header = [cell for name in names for cell in (f"{name}: best (layer)", "final")]
    return Table("Phones by both measures", ["run", *header], rows)


def facts_table(errors: scores.Curves) -> Table:
    """What was compared."""
    found = errors.facts.get("phone", {})
    names = {"abx_within_triples": "triples within speakers", "abx_across_triples": "triples across speakers"}
    names = {f"abx_{name}": name for name in FACTS} | names
    rows = [[name, f"{max(found[metric]):,.0f}"] for metric, name in names.items() if metric in found]
    return Table("What ABX compared", ["what", "number"], rows)
