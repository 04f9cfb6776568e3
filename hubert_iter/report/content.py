"""What a report says, in order, independent of whether it becomes a page or Markdown."""

from dataclasses import dataclass
from pathlib import Path

from hubert_iter.analysis import claims, findings
from hubert_iter.analysis.findings import Evidence, Kind
from hubert_iter.report import (
    cautions,
    figures,
    guide,
    label_figures,
    measure_sections,
    refreshes,
    score_tables,
    sentences,
    square,
    style,
    tables,
    training_figures,
    verdicts,
)
from hubert_iter.report import curves as scores
from hubert_iter.report.read import Results
from hubert_iter.report.section import Section, Table


@dataclass(frozen=True)
class Content:
    """All that a report shows."""

    title: str
    question: str
    note: str
    cautions: list[str]
    """What limits all that follows."""
    verdicts: Table
    answers: tuple[tuple[str, list[str]], ...]
    glance: Table
    missing: list[str]
    sections: tuple[Section, ...]
    drawings: tuple[figures.Drawing, ...]
    styles: dict[str, style.RunStyle]


def build(results: Results, folder: Path, title: str, note: str) -> Content:
    """Draw all figures into `folder` and put the report together. A section that has nothing to show is left out."""
    specs, cca = results.specs, results.cca
    found = findings.find(specs, cca.rows, cca.speakers, results.learning, results.quality, results.compare)
    curves = {name: scores.from_scores(measured, specs) for name, measured in results.measured.items()}
    lines = list(dict.fromkeys(scores.line_of(run, specs) for run in results.runs))
    untrained = {run.condition for run in specs.values() if run.random}
    idle = {each.first for each in found if each.kind is Kind.LEARNING and not each.count[0]}
    styles = style.line_styles(lines, untrained, idle)
    canvas = figures.Canvas(folder, [])
    look = figures.Look(lines, styles)
    main = curves.get("cca", scores.Curves({}, {}))
    measured = measure_sections.build(canvas, results, curves, look)
    crossed = square.build(canvas, results, main, look)
    training_figures.training(canvas, results.metrics, specs, styles)
    label_figures.quality(canvas, results.label_scores)
    label_figures.agreement(canvas, results.lasting(results.agreement))
    refreshed = refreshes.build(canvas, results, styles)
    label_figures.survival(canvas, results.lasting(results.confusion), results.label_set)
    sections = [*measured, *([crossed] if crossed else []), *_sections(results, refreshed)]
    drawn = {drawing.section for drawing in canvas.drawings}
    trained = {scores.line_of(run, specs) for run in results.metrics}
    return Content(
        title=title,
        question=results.question,
        note=note,
        cautions=cautions.cautions(results),
        verdicts=verdicts.table(claims.judge(specs, found, cautions.unscored(results))),
        answers=tuple(sentences.answers(found)),
        glance=score_tables.glance_table(results, main, [line for line in lines if main.updates(line)]),
        missing=results.missing,
        sections=tuple(section for section in sections if section.name in drawn or section.has_content),
        drawings=tuple(canvas.drawings),
        styles={
            line: look
            for line, look in styles.items()
            if line in trained or any(each.updates(line) for each in curves.values())
        },
    )


def _sections(results: Results, refreshed: Section) -> list[Section]:
    """What follows the measures."""
    known = [row for row in results.cca.rows if row["run"] in results.specs]
    evidence = Evidence(results.specs, findings.networks(known))
    different, shared = tables.settings_tables(results)
    return [
        Section("samples", "What the layers were scored on", tables=(score_tables.samples_table(results),)),
        Section("training", "Training", guide.TRAINING, (tables.training_table(results),), legend=True),
        Section("networks", "How much networks differ", guide.NETWORKS, (score_tables.deviation_table(evidence),)),
        Section(
            "labels", "Pseudo-labels", guide.LABELS,
            (tables.quality_table(results),), (tables.agreement_table(results),),
        ),
        refreshed,
        Section("phones", "Which phones survive", guide.PHONES, (tables.merges_table(results),), beside=True),
        Section("checkpoints", "How the layers came about", ("Scores over layers and updates of each run.",)),
        Section("data", "What was trained on", tables=(tables.data_table(results),)),
        Section("settings", "Settings", tables=(different,), folded=(shared,)),
        Section("guide", "How to read this page", definitions=guide.READING),
        Section(
            "provenance", "Where everything came from", guide.PROVENANCE, folded=(tables.provenance_table(results),)
        ),
    ]  # fmt: skip
