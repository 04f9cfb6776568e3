"""The tables of a report, as plain cells that the page and the Markdown summary both write out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubert_iter.analysis import findings, statistics
from hubert_iter.analysis.learning import GUESSES
from hubert_iter.analysis.measure import Metric
from hubert_iter.analysis.scores import PROPERTIES
from hubert_iter.report import curves as scores
from hubert_iter.report.label_figures import QUALITY
from hubert_iter.report.read import Results
from hubert_iter.study import Run

NONE = "–"


@dataclass(frozen=True)
class Table:
    """A header and rows of text; `strong` holds the (row, column) of cells to stress; wordy ones wrap."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    strong: frozenset[tuple[int, int]] = frozenset()
    wordy: bool = False


def layer_table(curves: scores.Curves, prop: str, lines: Sequence[str], metric: Metric) -> Table:
    """Layers down, lines across, mean ± interval; each line's best layer is stressed."""
    lines = [line for line in lines if curves.last(line, prop, metric.name)]
    taps = curves.layers(lines, prop, metric.name)
    rows, strong = [], set()
    for tap in taps:
        points = [curves.last(line, prop, metric.name).get(tap) for line in lines]
        rows.append([tap] + [NONE if point is None else str(point) for point in points])
    for column, line in enumerate(lines, start=1):
        strong.add((taps.index(best_layer(curves.last(line, prop, metric.name), metric)), column))
    if metric.control:
        controls = [curves.last(line, prop, metric.control) for line in lines]
        if any(controls):
            rows.append([metric.control_label] + [_mean(points) for points in controls])
    header = ["layer", *(named(curves, line) for line in lines)]
    return Table(f"{prop}: {metric.label}, mean ± interval", header, rows, frozenset(strong))


def best_layer(points: Mapping[str, scores.Point], metric: Metric) -> str:
    """The tap with the best mean."""
    return (min if metric.lower_is_better else max)(points, key=lambda tap: points[tap].mean)


def best_table(curves: scores.Curves, shown: Sequence[tuple[Metric, str]], lines: Sequence[str]) -> Table:
    """Lines down: the best layer (conv left aside) and the final one by each metric and property."""
    rows = [
        [line, *(cell for metric, prop in shown for cell in _best_and_final(curves, line, prop, metric))]
        for line in lines
    ]
    several = len({metric.name for metric, _ in shown}) > 1
    names = [f"{prop}, {metric.label}" if several else prop for metric, prop in shown]
    header = ["run", *(cell for name in names for cell in (f"{name}: best (layer)", "final"))]
    return Table("At a glance: best and final layers", header, rows)


def _best_and_final(curves: scores.Curves, line: str, prop: str, metric: Metric) -> tuple[str, str]:
    points = {layer: point for layer, point in curves.last(line, prop, metric.name).items() if layer != "conv"}
    if not points:
        return NONE, NONE
    best, final = best_layer(points, metric), max(points, key=scores.position)
    return f"{points[best].mean:.3f} ({best})", f"{points[final].mean:.3f}"


def named(curves: scores.Curves, line: str) -> str:
    """A line's name, with the number of its networks where there are several."""
    count = curves.networks(line)
    return f"{line} ({count} networks)" if count > 1 else line


def glance_table(results: Results, curves: scores.Curves, lines: list[str]) -> Table:
    """One row per line: networks that have learnt, best and final layer of each property, the labels' PNMI."""
    pnmi = {labels: found for (labels, _set, metric), found in results.label_scores.items() if metric == "pnmi"}
    metric = results.cca.measure.metrics[0]
    properties = curves.of(metric.name)
    rows = []
    for line in lines:
        row = [line, str(curves.networks(line)), _learnt(results, line)]
        for prop in properties:
            row += _best_and_final(curves, line, prop, metric)
        spec = results.specs.get(line)
        values = pnmi.get(spec.labels) if spec else None
        rows.append([*row, _number(math.fsum(values) / len(values)) if values else NONE])
    header = ["run", "networks", "use context"]
    for prop in properties:
        header += [f"{prop}: best (layer)", f"{prop}: final"]
    return Table("At a glance: PWCCA, labels and learning", [*header, "labels' PNMI"], rows)


def _learnt(results: Results, line: str) -> str:
    """How many of a line's networks use context."""
    told = [found for run, found in results.learning.items() if scores.line_of(run, results.specs) == line]
    return f"{sum(found.uses_context for found in told)} of {len(told)}" if told else NONE


def words_table(results: Results) -> Table:
    """What the evaluation set and the limits on instances left of each property."""
    names = list(dict.fromkeys(name for facts in results.samples.values() for name in facts))
    rows = [[prop, *(_number(facts.get(name)) for name in names)] for prop, facts in results.samples.items()]
    return Table("Classes sampled, and those left out", ["property", *(n.replace("_", " ") for n in names)], rows)


def deviation_table(evidence: findings.Evidence) -> Table:
    """How much networks of one condition differ at the final layer, and how many a difference of some size wants."""
    rows = []
    for prop in PROPERTIES:
        trained = [name for name in evidence.conditions if evidence.first(name).trained]
        sides = [found for name in trained if len(found := evidence.networks(name, prop)) > 1]
        if not sides:
            continue
        deviation, freedom = statistics.between_networks(*sides)
        wanted = [statistics.replicates_for(effect, deviation) for effect in EFFECTS]
        rows.append([prop, f"{deviation:.4f}", f"{freedom:.0f}", *(str(number) for number in wanted)])
    header = ["property", "deviation of one network", "degrees of freedom", *(f"networks for {x}" for x in EFFECTS)]
    return Table("Networks of each condition that a difference in final-layer PWCCA wants", header, rows)


EFFECTS = (0.01, 0.02, 0.05)
"""Differences in PWCCA for which the number of networks wanted is told."""


def facts_table(curves: scores.Curves, names: Mapping[str, str]) -> Table:
    """What each property was measured on."""
    rows = []
    for prop in curves.properties():
        facts = curves.facts.get(prop, {})
        rows.append([prop] + [_range(facts.get(name)) for name in names])
    return Table("What was compared", ["property", *names.values()], rows)


def data_table(results: Results) -> Table:
    """Utterances, hours and speakers of each data set."""
    rows = [
        [
            item.name,
            f"{item.utterances:,}",
            NONE if item.hours is None else f"{item.hours:.2f}",
            f"{item.speakers:,}",
            NONE if item.unaligned is None else f"{item.unaligned:,}",
        ]
        for item in results.data
    ]
    return Table("Data sets after filtering", ["set", "utterances", "hours", "speakers", "without alignment"], rows)


def training_table(results: Results) -> Table:
    """What each network was trained on, for how long, and what it names beside what needs no network."""
    rows = []
    for run in results.runs:
        spec, records = results.specs.get(run), results.metrics.get(run, [])
        if spec and not spec.trained:
            continue
        valid = last(records, "valid")
        seconds, hours = _most(records, "seconds"), _most(records, "hours")
        found = results.learning.get(run)
        rows.append(
            [
                run,
                spec.objective if spec else NONE,
                targets(spec) if spec else NONE,
                NONE if not records else f"{max(int(record['update']) for record in records):,}",
                NONE if hours is None else f"{hours:.1f}",
                NONE if seconds is None else duration(seconds),
                _number(valid.get("loss")),
                _percent(valid.get("accuracy")),
                *(_percent(valid.get(key)) for key in GUESS_COLUMNS),
                _percent(found.margin) if found else NONE,
                {True: "yes", False: "NO"}[found.uses_context] if found else NONE,
            ]
        )
    header = ["run", "objective", "targets", "updates", "hours of audio seen", "time", "held-out loss"]
    header += ["masked accuracy (%)", *GUESS_COLUMNS.values(), "margin (%)", "uses context"]
    return Table("Training, at the last update", header, rows)


GUESS_COLUMNS = {"chance": "chance (%)"} | {
    f"guess_{key}": f"{name} (%)"
    for key, name in zip(GUESSES, ("mode", "utterance's mode", "copy", "near copy"), strict=True)
}


def quality_table(results: Results) -> Table:
    """All scores of each label set, mean ± interval over replicates; the best PNMI of each data set is stressed."""
    present = dict.fromkeys(row["metric"] for row in results.quality)
    metrics = [metric for metric in dict.fromkeys([*QUALITY, *present]) if metric in present]
    values = results.label_scores
    keys = list(dict.fromkeys((labels, name) for labels, name, _metric in values))
    rows = [
        [
            *key,
            str(len(values.get((*key, metrics[0]), ()))),
            *(spread(values.get((*key, name), ())) for name in metrics),
        ]
        for key in keys
    ]
    strong = set()
    if "pnmi" in metrics:
        for name in dict.fromkeys(name for _labels, name in keys):
            mine = [
                (math.fsum(found) / len(found), place)
                for place, key in enumerate(keys)
                if key[1] == name and (found := values.get((*key, "pnmi")))
            ]
            strong.add((max(mine)[1], 3 + metrics.index("pnmi")))
    header = ["labels", "set", "replicates", *(QUALITY.get(metric, metric) for metric in metrics)]
    return Table("Label quality against aligned phones", header, rows, frozenset(strong))


def merges_table(results: Results, most: int = 12) -> Table:
    """The pairs of phones that each label set confounds most, by the number of frames; of first replicates."""
    confusion = results.lasting(results.confusion)
    names = list(dict.fromkeys(results.label_set(row["labels"]) for row in confusion))
    columns = []
    for name in names:
        mine = [row for row in confusion if row["labels"] == name and row["set"] == confusion[0]["set"]]
        found = [(int(float(row["frames"])), row) for row in mine if row["phone"] != row["read_as"]]
        found.sort(key=lambda item: (-item[0], item[1]["phone"], item[1]["read_as"]))
        columns.append(
            [f"{row['phone']} → {row['read_as']} {n:,} ({float(row['share']):.2f})" for n, row in found[:most]]
        )
    depth = max((len(column) for column in columns), default=0)
    rows = [
        [str(place + 1)] + [column[place] if place < len(column) else NONE for column in columns]
        for place in range(depth)
    ]
    caption = "Most frequent merges: phone → phone whose clusters its frames bear, frames (share of the phone's)"
    return Table(caption, ["rank", *names], rows)


def agreement_table(results: Results) -> Table:
    """Every pair of label sets: normalised mutual information and both conditional entropies."""
    shown = results.lasting(results.agreement)
    metrics = list(dict.fromkeys(row["metric"] for row in shown))
    values = {(row["labels_a"], row["labels_b"], row["metric"]): float(row["value"]) for row in shown}
    pairs = dict.fromkeys((a, b) for a, b, _metric in values)
    rows = [[*pair] + [_number(values.get((*pair, metric))) for metric in metrics] for pair in pairs]
    header = ["labels a", "labels b", *(AGREEMENT.get(metric, metric) for metric in metrics)]
    return Table("Agreement of label sets", header, rows)


AGREEMENT = {
    "nmi": "NMI",
    "entropy_a_given_b": "H(a | b), bits",
    "entropy_b_given_a": "H(b | a), bits",
}


def settings_tables(results: Results) -> tuple[Table, Table]:
    """The settings that differ between runs, and those that all runs share."""
    firsts = [run for run in results.runs if run in results.configs and _stands_for_all(results, run)]
    flat = {run: dict(flatten(_told(results, run))) for run in firsts}
    keys = list(dict.fromkeys(key for settings in flat.values() for key in settings))
    shared, different = [], []
    for key in keys:
        concerned = [run for run in flat if _is_trained(results, run) or key.split(".")[0] in UNTRAINED]
        values = {flat[run].get(key, NONE) for run in concerned}
        if len(values) == 1:
            shared.append([key, *values])
        else:
            different.append([key, *(settings.get(key, NONE) for settings in flat.values())])
    return (
        Table("Settings that differ between runs", ["setting", *flat], different, wordy=True),
        Table("Settings that all runs share", ["setting", "value"], shared, wordy=True),
    )


def _stands_for_all(results: Results, run: str) -> bool:
    """True for the first replicate of a condition: the others differ in the replicate alone."""
    return run not in results.specs or results.specs[run].replicate == 1


UNTRAINED = ("run", "model")
"""Sections of its configuration that mean something for a network that was never trained."""


def _told(results: Results, run: str) -> dict:
    config = results.configs[run]
    return config if _is_trained(results, run) else {key: config[key] for key in UNTRAINED if key in config}


def _is_trained(results: Results, run: str) -> bool:
    return run not in results.specs or results.specs[run].trained


def provenance_table(results: Results) -> Table:
    """Which command made each folder, and the hash of what it holds."""
    rows = [
        [item["folder"], item["command"], item["version"], item["id"][:12], settings_line(item["settings"])]
        for item in results.provenance
    ]
    return Table(
        "Where everything came from", ["folder", "made by", "version", "content", "settings"], rows, wordy=True
    )


def flatten(settings: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    """Yield (dotted key, value as text) for nested settings."""
    if isinstance(settings, dict) and settings:
        for key, value in settings.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(settings, bool):
        yield prefix, str(settings).lower()
    elif isinstance(settings, list):
        yield prefix, ", ".join(str(item) for item in settings)
    else:
        yield prefix, NONE if settings is None else str(settings)


def settings_line(settings: dict) -> str:
    """Settings in one line: "k=100, seed=0"."""
    return ", ".join(f"{key}={value}" for key, value in flatten(settings)) or NONE


def last(records: list[dict], split: str) -> dict:
    """The last record of a split that has a loss; {} when there is none."""
    found = [record for record in records if record["split"] == split and _finite(record.get("loss"))]
    return found[-1] if found else {}


def targets(spec: Run) -> str:
    """What a run learns to predict, in a few words: "mfcc, k=100"."""
    return f"{spec.targets}, k={spec.k}" if spec.targets else NONE


def duration(seconds: float) -> str:
    """Hours and minutes for people: "1 h 05 min"; below an hour minutes and seconds."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s"


def spread(values: Sequence[float]) -> str:
    """One value, or mean ± interval of several."""
    if len(values) < 2:
        return _number(values[0]) if values else NONE
    found = statistics.of_networks(values)
    return f"{found.mean:,.1f} ± {found.half:,.1f}" if abs(found.mean) > 10 else f"{found.mean:.3f} ± {found.half:.3f}"


def _mean(points: dict[str, scores.Point]) -> str:
    values = [point.mean for point in points.values()]
    return f"{math.fsum(values) / len(values):.3f}" if values else NONE


def _most(records: list[dict], key: str) -> float | None:
    values = [record[key] for record in records if _finite(record.get(key))]
    return max(values) if values else None


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _percent(value: Any) -> str:
    return f"{100 * value:.1f}" if _finite(value) else NONE


def _range(values: tuple[float, ...] | None) -> str:
    """One value where all runs agree, else the lowest and the highest."""
    return " to ".join(_number(value) for value in sorted({min(values), max(values)})) if values else NONE


def _number(value: Any) -> str:
    if not _finite(value):
        return NONE
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) > 1 else f"{value:.3f}"
