"""What a report says, in order, independent of whether it becomes a page or Markdown."""

from dataclasses import dataclass, field
from pathlib import Path

from hubert_iter.analysis import findings
from hubert_iter.analysis.findings import Kind
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
    found = findings.find(results.specs, results.scores, results.speakers, results.learning, results.quality)
    curves = scores.from_scores(results.scores, results.specs)
    errors = scores.from_scores(results.abx, results.specs)
    lines = list(dict.fromkeys(scores.line_of(run, results.specs) for run in results.runs))
    untrained = {run.condition for run in results.specs.values() if not run.trained}
    idle = {each.first for each in found if each.kind is Kind.LEARNING and not each.count[0]}
    styles = style.line_styles(lines, untrained, idle)
    scored = [line for line in lines if curves.updates(line)]
    canvas = figures.Canvas(folder, [])
    figures.layers(canvas, curves, scored, styles)
    abx.figures(canvas, errors, lines, styles)
    figures.checkpoints(canvas, curves, scored)
    training_figures.training(canvas, results.metrics, results.specs, styles)
    label_figures.quality(canvas, results.label_scores)
    label_figures.agreement(canvas, results.agreement)
    label_figures.survival(canvas, results.confusion, results.label_set)
    trained = {scores.line_of(run, results.specs) for run in results.metrics}
    shown = {line: look for line, look in styles.items() if line in {*scored, *trained} or errors.updates(line)}
    sections = [
        _layers(results, curves, scored),
        _abx(results, errors, curves, lines),
        _training(results),
        _networks(results),
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
        answers=tuple(sentences.answers(found)),
        glance=tables.glance_table(results, curves, scored) if scored else None,
        missing=results.missing,
        sections=tuple(section for section in sections if section),
        drawings=tuple(canvas.drawings),
        styles=shown,
    )


def _layers(results: Results, curves: scores.Curves, lines: list[str]) -> Section:
    if not lines:
        return Section("layers", "What the layers know", ("No CCA scores yet (stages 8 and 9).",))
    properties = curves.properties()
    few = [prop for prop in properties if max(curves.facts.get(prop, {}).get("too_few_instances", (0,)))]
    warning = (
        f"Too few instances for the width of the layers: {', '.join(few)}. These scores rest on the regulariser and "
        "are low; compare them with care.",
    )
    several = any(curves.networks(line) > 1 for line in lines)
    bands = (
        "Where a condition has several networks, thin lines are the networks, the thick line is their mean and the "
        "band its 95 % interval over networks; of two networks that interval is wider than the panel. "
        if several
        else "Bands are 95 % intervals over sample sets and trials of one network; they say nothing of other networks. "
    )
    return Section(
        "layers",
        "What the layers know",
        (
            f"Held-out PWCCA of each layer with phone, word and speaker identity. {bands}Each line's best layer is "
            "bold in the tables. Pale lines are of networks that have not learnt to use context.",
            *_regularisers(results),
            *(warning if few else ()),
        ),
        tuple(tables.layer_table(curves, prop, lines) for prop in properties),
        (
            *(tables.layer_table(curves, prop, lines, "mean_cca") for prop in properties if _has(curves, lines, prop)),
            tables.facts_table(curves),
            tables.words_table(results),
        ),
        legend=True,
    )


def _regularisers(results: Results) -> tuple[str, ...]:
    """The grid that the dev part chooses from: a wider one than another study's gives higher scores on small sets."""
    made = next((item for item in results.provenance if item["command"] == "score_cca"), None)
    grid = made["settings"].get("regularisers") if made else None
    return (f"Regularisers to choose from on the dev part: {', '.join(f'{x:g}' for x in grid)}.",) if grid else ()


def _has(curves: scores.Curves, lines: list[str], prop: str) -> bool:
    return any(curves.last(line, prop, "mean_cca") for line in lines)


def _abx(results: Results, errors: scores.Curves, curves: scores.Curves, lines: list[str]) -> Section | None:
    if not results.abx:
        return None
    best, layers = abx.best_table(errors, curves, lines), abx.layer_tables(errors, lines)
    text = abx.text(results, errors)
    return Section("abx", "Phone ABX: a second opinion", text, (best, *layers), (abx.facts_table(errors),), legend=True)


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
    known = [row for row in results.scores if row["run"] in results.specs]
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
