"""The tables of a report, as plain cells that the page and the Markdown summary both write out."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

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


def layer_table(curves: scores.Curves, prop: str, runs: list[str], metric: str = scores.SCORE) -> Table:
    """Layers down, runs across, mean ± interval; each run's best layer is stressed."""
    runs = [run for run in runs if curves.last(run, prop, metric)]
    taps = curves.layers(runs, prop, metric)
    rows, strong = [], set()
    for tap in taps:
        points = [curves.last(run, prop, metric).get(tap) for run in runs]
        rows.append([tap] + [NONE if point is None else str(point) for point in points])
    for column, run in enumerate(runs, start=1):
        points = curves.last(run, prop, metric)
        best = max(points, key=lambda tap: points[tap].mean)
        strong.add((taps.index(best), column))
    if metric == scores.SCORE:
        nulls = [curves.last(run, prop, scores.NULL) for run in runs]
        if any(nulls):
            rows.append(["shuffled"] + [_mean_null(points) for points in nulls])
    name = "PWCCA" if metric == scores.SCORE else "mean CCA"
    return Table(
        f"{prop}: {name}, mean ± interval over sample sets and trials", ["layer", *runs], rows, frozenset(strong)
    )


def glance_table(results: Results, curves: scores.Curves, runs: list[str]) -> Table:
    """One row per run: best layer and final layer of each property, the labels' PNMI, accuracy against chance."""
    quality = {row["labels"]: float(row["value"]) for row in results.quality if row["metric"] == "pnmi"}
    rows = []
    for run in runs:
        row, spec = [run], results.specs.get(run)
        for prop in curves.properties():
            points = {layer: point for layer, point in curves.last(run, prop).items() if layer != "conv"}
            if not points:
                row += [NONE, NONE]
                continue
            best = max(points, key=lambda layer: points[layer].mean)
            row += [f"{points[best].mean:.3f} ({best})", f"{points[max(points, key=scores.position)].mean:.3f}"]
        rows.append(row + [_number(quality.get(spec.labels) if spec else None), _times(results.metrics.get(run, []))])
    header = ["run"]
    for prop in curves.properties():
        header += [f"{prop}: best (layer)", f"{prop}: final"]
    return Table("At a glance: PWCCA, labels and learning", [*header, "labels' PNMI", "accuracy / chance"], rows)


def facts_table(curves: scores.Curves) -> Table:
    """What each property was measured on."""
    names = {"num_instances": "instances", "num_classes": "classes", "ceiling": "ceiling"}
    rows = []
    for prop in curves.properties():
        facts = curves.facts.get(prop, {})
        rows.append([prop] + [_range(facts.get(name)) for name in names])
    return Table("Instances and classes of each property", ["property", *names.values()], rows)


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
    """What each run was trained on, for how long, and how well it predicts held-out labels."""
    rows = []
    for run in results.runs:
        spec, records = results.specs.get(run), results.metrics.get(run, [])
        valid = last(records, "valid")
        accuracy, chance = valid.get("accuracy"), valid.get("chance")
        seconds, hours = _most(records, "seconds"), _most(records, "hours")
        rows.append(
            [
                run,
                spec.objective if spec else NONE,
                targets(spec) if spec else NONE,
                NONE if not records else f"{max(int(record['update']) for record in records):,}",
                NONE if hours is None else f"{hours:.1f}",
                NONE if seconds is None else duration(seconds),
                _number(valid.get("loss")),
                _percent(accuracy),
                _percent(chance),
                _times(records),
            ]
        )
    header = ["run", "objective", "targets", "updates", "hours of audio seen", "time", "held-out loss"]
    header += ["masked accuracy (%)", "chance (%)", "times chance"]
    return Table("Training, at the last update", header, rows)


def quality_table(results: Results) -> Table:
    """All scores of each label set; the best PNMI of each data set is stressed."""
    metrics = list(dict.fromkeys([*QUALITY, *(row["metric"] for row in results.quality)]))
    metrics = [metric for metric in metrics if any(row["metric"] == metric for row in results.quality)]
    values = {(row["labels"], row["set"], row["metric"]): float(row["value"]) for row in results.quality}
    keys = list(dict.fromkeys((labels, name) for labels, name, _metric in values))
    rows = [[*key] + [_number(values.get((*key, metric))) for metric in metrics] for key in keys]
    strong = set()
    if "pnmi" in metrics:
        for name in dict.fromkeys(name for _labels, name in keys):
            mine = [(values.get((*key, "pnmi"), -1.0), place) for place, key in enumerate(keys) if key[1] == name]
            strong.add((max(mine, key=lambda pair: pair[0])[1], 2 + metrics.index("pnmi")))
    header = ["labels", "set", *(QUALITY.get(metric, metric) for metric in metrics)]
    return Table("Label quality against aligned phones", header, rows, frozenset(strong))


def merges_table(results: Results, most: int = 12) -> Table:
    """The pairs of phones that each label set confounds most."""
    names = list(dict.fromkeys(row["labels"] for row in results.confusion))
    columns = []
    for name in names:
        mine = [row for row in results.confusion if row["labels"] == name and row["set"] == results.confusion[0]["set"]]
        found = [(float(row["share"]), row["phone"], row["read_as"]) for row in mine if row["phone"] != row["read_as"]]
        columns.append(
            [f"{a} → {b} {share:.2f}" for share, a, b in sorted(found, key=lambda item: (-item[0], item))[:most]]
        )
    depth = max((len(column) for column in columns), default=0)
    rows = [
        [str(place + 1)] + [column[place] if place < len(column) else NONE for column in columns]
        for place in range(depth)
    ]
    return Table("Most frequent merges: phone → phone whose clusters its frames bear, share", ["rank", *names], rows)


def agreement_table(results: Results) -> Table:
    """Every pair of label sets: normalised mutual information and both conditional entropies."""
    metrics = list(dict.fromkeys(row["metric"] for row in results.agreement))
    values = {(row["labels_a"], row["labels_b"], row["metric"]): float(row["value"]) for row in results.agreement}
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
    flat = {run: dict(flatten(_told(results, run))) for run in results.runs if run in results.configs}
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


def _times(records: list[dict]) -> str:
    """Held-out masked accuracy as a multiple of chance level, at the last update."""
    accuracy, chance = (last(records, "valid").get(key) for key in ("accuracy", "chance"))
    return f"{accuracy / chance:.1f}" if _finite(accuracy) and _finite(chance) and chance else NONE


def _mean_null(points: dict[str, scores.Point]) -> str:
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
