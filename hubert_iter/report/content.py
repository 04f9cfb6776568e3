"""What a report says, in order, independent of whether it becomes a page or Markdown."""

from dataclasses import dataclass, field
from pathlib import Path

from hubert_iter.analysis import findings
from hubert_iter.analysis.findings import Kind
from hubert_iter.report import curves as scores
from hubert_iter.report import (
    figures,
    guide,
    label_figures,
    measure_sections,
    refreshes,
    sentences,
    style,
    tables,
    training_figures,
)
from hubert_iter.report.read import Results
from hubert_iter.report.section import Section
from hubert_iter.report.tables import Table


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
    found = findings.find(results.specs, results.cca.rows, results.cca.speakers, results.learning, results.quality)
    curves = {name: scores.from_scores(measured, results.specs) for name, measured in results.measured.items()}
    lines = list(dict.fromkeys(scores.line_of(run, results.specs) for run in results.runs))
    untrained = {run.condition for run in results.specs.values() if not run.trained}
    idle = {each.first for each in found if each.kind is Kind.LEARNING and not each.count[0]}
    styles = style.line_styles(lines, untrained, idle)
    canvas = figures.Canvas(folder, [])
    measured = measure_sections.build(canvas, results, curves, figures.Look(lines, styles))
    training_figures.training(canvas, results.metrics, results.specs, styles)
    label_figures.quality(canvas, results.label_scores)
    label_figures.agreement(canvas, results.lasting(results.agreement))
    refreshed = refreshes.build(canvas, results, styles)
    label_figures.survival(canvas, results.lasting(results.confusion), results.label_set)
    trained = {scores.line_of(run, results.specs) for run in results.metrics}
    scored = [line for line in lines if any(each.updates(line) for each in curves.values())]
    shown = {line: look for line, look in styles.items() if line in {*scored, *trained}}
    sections = [
        *(measured or [Section("layers", "What the layers know", ("No scores yet (stages 8 and 9).",))]),
        _samples(results),
        _training(results),
        _networks(results),
        _labels(results),
        refreshed,
        _phones(results),
        _checkpoints(canvas),
        _data(results),
    ]
    sections += [_settings(results), Section("guide", "How to read this page", definitions=guide.READING)]
    sections += [_provenance(results)]
    glance = [line for line in lines if "cca" in curves and curves["cca"].updates(line)]
    return Content(
        title=title,
        note=note,
        answers=tuple(sentences.answers(found)),
        glance=tables.glance_table(results, curves["cca"], glance) if glance else None,
        missing=results.missing,
        sections=tuple(section for section in sections if section),
        drawings=tuple(canvas.drawings),
        styles=shown,
    )


def _samples(results: Results) -> Section | None:
    if not results.samples:
        return None
    return Section("samples", "What the layers were scored on", tables=(tables.words_table(results),))


def _training(results: Results) -> Section:
    if not results.metrics:
        return Section("training", "Training", ("No training record yet (stage 7).",))
    text = (
        "Solid lines with marks: held-out utterances. Thin lines: training. Dashed lines: the best of four guesses "
        "that need no network but see the unmasked labels, among the same candidates as the run: the most frequent "
        "label, the utterance's most frequent one, a copy of the nearest unmasked one, and that copy only from up "
        "to 3 frames away. A run that is not above it by the margin (the 95 % interval over held-out utterances, at "
        "least a twentieth) has not learnt to use context. Dotted lines: chance, that is the share of the most "
        "frequent label where all classes are named, and one over the distinct candidates where a frame is told "
        "from others. Accuracies of objectives that differ in this cannot be compared with each other, nor can "
        "losses.",
    )
    return Section("training", "Training", text, (tables.training_table(results),), legend=True)


def _networks(results: Results) -> Section | None:
    """How much networks that differ in the seed alone differ, where the study has such."""
    known = [row for row in results.cca.rows if row["run"] in results.specs]
    table = tables.deviation_table(findings.Evidence(results.specs, findings.networks(known)))
    if not table.rows:
        return None
    text = (
        "Networks of one condition differ in the seed alone. Their deviation, pooled over the trained conditions, says "
        "how many networks of each of two conditions are wanted to find a difference of a given size in four of five "
        "studies, at 5 % false findings (two-sided t, the evaluation's own error left aside). Networks that have not "
        "learnt to use context count here: they may differ otherwise than trained longer.",
    )
    return Section("networks", "How much networks differ", text, (table,))


def _labels(results: Results) -> Section:
    if not results.quality and not results.agreement:
        return Section("labels", "Pseudo-labels", ("No label quality yet (stage 10).",))
    text = (
        "Phone purity: accuracy when each cluster is read as its most frequent phone. Cluster purity: the same with "
        "the roles exchanged. PNMI: the share of the phone's entropy that the label removes. Frames without a phone "
        "are left out, or where it says so counted as one phone more, silence, as published tables seem to do.",
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
    return Section("checkpoints", "How the layers came about", ("Scores over layers and updates of each run.",))


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
