"""What a report says, in order, independent of whether it becomes a page or Markdown."""

from dataclasses import dataclass, field
from pathlib import Path

from hubert_iter.report import abx, figures, guide, label_figures, sentences, style, tables, training_figures
from hubert_iter.report import curves as scores
from hubert_iter.report.read import Results
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


@dataclass(frozen=True)
class Content:
    """All that a report shows."""

    title: str
    note: str
    answers: tuple[tuple[str, list[str]], ...]
    glance: Table | None
    missing: tuple[str, ...]
    sections: tuple[Section, ...]
    drawings: tuple[figures.Drawing, ...] = ()
    styles: dict[str, style.RunStyle] = field(default_factory=dict)


def build(results: Results, folder: Path, title: str, note: str) -> Content:
    """Draw all figures into `folder` and put the report together."""
    curves = scores.from_scores(results.scores)
    styles = style.run_styles(results.runs, {run: spec.objective for run, spec in results.specs.items()})
    scored = [run for run in results.runs if curves.updates(run)]
    errors = scores.from_scores(results.abx)
    canvas = figures.Canvas(folder, [])
    figures.layers(canvas, curves, scored, styles)
    abx.figures(canvas, errors, results.runs, styles)
    figures.checkpoints(canvas, curves, scored)
    training_figures.training(canvas, results.metrics, styles)
    label_figures.quality(canvas, results.quality)
    label_figures.agreement(canvas, results.agreement)
    label_figures.survival(canvas, results.confusion)
    shown = {run: look for run, look in styles.items() if run in [*scored, *results.metrics] or errors.updates(run)}
    sections = [
        _layers(curves, scored),
        _abx(results, errors, curves),
        _training(results),
        _labels(results),
        _phones(results),
        _checkpoints(canvas),
        _data(results),
    ]
    sections += [_settings(results), Section("guide", "How to read this page", definitions=guide.READING)]
    sections += [_provenance(results)]
    return Content(
        title=title,
        note=note,
        answers=tuple(sentences.answers(results)),
        glance=tables.glance_table(results, curves, scored) if scored else None,
        missing=results.missing,
        sections=tuple(section for section in sections if section),
        drawings=tuple(canvas.drawings),
        styles=shown,
    )


def _layers(curves: scores.Curves, runs: list[str]) -> Section:
    if not runs:
        return Section("layers", "What the layers know", ("No CCA scores yet (stages 8 and 9).",))
    properties = curves.properties()
    few = [prop for prop in properties if max(curves.facts.get(prop, {}).get("too_few_instances", (0,)))]
    warning = (
        f"Too few instances for the width of the layers: {', '.join(few)}. These scores rest on the regulariser and "
        "are low; compare them with care.",
    )
    return Section(
        "layers",
        "What the layers know",
        (
            "Held-out PWCCA of each layer with phone, word and speaker identity. Bands are intervals over sample sets "
            "and trials; each run's best layer is bold in the tables.",
            *(warning if few else ()),
        ),
        tuple(tables.layer_table(curves, prop, runs) for prop in properties),
        (
            *(tables.layer_table(curves, prop, runs, "mean_cca") for prop in properties if _has(curves, runs, prop)),
            tables.facts_table(curves),
        ),
        legend=True,
    )


def _has(curves: scores.Curves, runs: list[str], prop: str) -> bool:
    return any(curves.last(run, prop, "mean_cca") for run in runs)


def _abx(results: Results, errors: scores.Curves, curves: scores.Curves) -> Section | None:
    if not results.abx:
        return None
    best, layers = abx.best_table(errors, curves, results.runs), abx.layer_tables(errors, results.runs)
    text = abx.text(results, errors)
    return Section("abx", "Phone ABX: a second opinion", text, (best, *layers), (abx.facts_table(errors),), legend=True)


def _training(results: Results) -> Section:
    if not results.metrics:
        return Section("training", "Training", ("No training record yet (stage 7).",))
    text = (
        "Solid lines with marks: held-out utterances. Thin lines: training. Dotted lines: chance, that is the share "
        "of the most frequent label where all classes are named, and one over the distinct candidates where a frame is "
        "told from others. Accuracies of objectives that differ in this cannot be compared with each other.",
    )
    return Section("training", "Training", text, (tables.training_table(results),), legend=True)


def _labels(results: Results) -> Section:
    if not results.quality and not results.agreement:
        return Section("labels", "Pseudo-labels", ("No label quality yet (stage 10).",))
    text = (
        "Phone purity: accuracy when each cluster is read as its most frequent phone. Cluster purity: the same with "
        "the roles exchanged. PNMI: the share of the phone's entropy that the label removes.",
    )
    folded = (tables.agreement_table(results),) if results.agreement else ()
    return Section("labels", "Pseudo-labels", text, (tables.quality_table(results),), folded)


def _phones(results: Results) -> Section | None:
    if not results.confusion:
        return None
    text = (
        "Each cluster stands for the phone that most of its frames belong to. A phone at 0 has no cluster of its own: "
        "its frames have merged into other phones' clusters. Marks of one phone show what changes between label sets.",
    )
    return Section("phones", "Which phones survive", text, (tables.merges_table(results),), beside=True)


def _checkpoints(canvas: figures.Canvas) -> Section | None:
    if not any(drawing.section == "checkpoints" for drawing in canvas.drawings):
        return None
    return Section("checkpoints", "How the layers came about", ("PWCCA over layers and updates of each run.",))


def _data(results: Results) -> Section:
    if not results.data:
        return Section("data", "What was trained on", ("No description of the data (stage 2).",))
    return Section("data", "What was trained on", tables=(tables.data_table(results),))


def _settings(results: Results) -> Section:
    different, shared = tables.settings_tables(results)
    if not shared.rows and not different.rows:
        return Section("settings", "Settings", ("No config.yaml of any run yet (stage 7).",))
    return Section("settings", "Settings", tables=(different,) if different.rows else (), folded=(shared,))


def _provenance(results: Results) -> Section:
    text = ("Each folder with the command that made it and a hash of its contents: equal hash, equal folder.",)
    if not results.provenance:
        return Section("provenance", "Where everything came from", ("No folder made by a stage was found.",))
    return Section("provenance", "Where everything came from", text, folded=(tables.provenance_table(results),))
