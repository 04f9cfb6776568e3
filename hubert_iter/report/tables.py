"""Tables of runs, labels and data; those of the layers' scores are in `score_tables`."""

from collections.abc import Iterable
from itertools import zip_longest
from statistics import fmean
from typing import Any

from hubert_iter.analysis import statistics
from hubert_iter.analysis.learning import GUESSES
from hubert_iter.feats import normalise
from hubert_iter.report.label_figures import QUALITY
from hubert_iter.report.read import Results
from hubert_iter.report.section import NONE, Table, number
from hubert_iter.runs import BEST, Run

RATES = {"accuracy": "masked accuracy (%)", "chance": "chance (%)"} | {
    f"guess_{key}": f"{name} (%)"
    for key, name in zip(GUESSES, ("mode", "utterance's mode", "copy", "near copy"), strict=True)
}
"""Shares in metrics.jsonl that the table of training shows in percent."""
TOTALS = ("update", "hours", "seconds")
"""What metrics.jsonl counts from the beginning of a training."""
AGREEMENT = {
    "nmi": "NMI",
    "entropy_a_given_b": "H(a | b), bits",
    "entropy_b_given_a": "H(b | a), bits",
}


def training_table(results: Results) -> Table:
    """What each network was trained on, for how long, and what it names beside what needs no network."""
    rows = []
    for run in results.runs if results.metrics else ():
        spec, records = results.specs.get(run), results.metrics.get(run, [])
        if not records and not (spec and spec.trained):
            continue
        total = {key: max((each[key] for each in records if key in each), default=None) for key in TOTALS}
        valid = next((each for each in reversed(records) if each["split"] == "valid" and "loss" in each), {})
        found = results.learning.get(run)
        rows.append(
            [
                run,
                spec.objective if spec else NONE,
                _targets(spec, results) if spec and spec.targets else NONE,
                number(total["update"], ","),
                number(total["hours"], ".1f"),
                NONE if total["seconds"] is None else duration(total["seconds"]),
                number(valid.get("loss")),
                *(_percent(valid.get(key)) for key in RATES),
                _percent(found.margin) if found else NONE,
                {True: "yes", False: "NO"}[found.uses_context] if found else NONE,
            ]
        )
    header = ["run", "objective", "targets", "updates", "hours of audio seen", "time", "held-out loss"]
    return Table("Training, at the last update", [*header, *RATES.values(), "margin (%)", "uses context"], rows)


def _targets(spec: Run, results: Results) -> str:
    """What a run learns to predict, in a few words."""
    kind = "" if spec.normalise == normalise.NONE else f", normalised by {spec.normalise}"
    fitted = results.provenance.get(f"units/{spec.labels}/kmeans") if spec.tap == BEST else None
    layer = f" (layer {fitted['settings']['features']['tap']})" if fitted else ""
    return f"{spec.targets}{layer}, k={spec.k}{kind}"


def quality_table(results: Results) -> Table:
    """All scores of each label set, mean ± interval over replicates; the best PNMI of each data set is stressed."""
    values = results.label_scores
    present = dict.fromkeys(metric for _labels, _set, metric in values)
    metrics = [metric for metric in dict.fromkeys([*QUALITY, *present]) if metric in present]
    keys = list(dict.fromkeys((labels, name) for labels, name, _metric in values))
    rows, pnmi = [], []
    for place, (labels, name) in enumerate(keys):
        found = [values.get((labels, name, metric), []) for metric in metrics]
        rows.append([labels, name, str(len(found[0])), *map(spread, found)])
        if (labels, name, "pnmi") in values:
            pnmi.append((fmean(values[labels, name, "pnmi"]), place, name))
    best = {name: place for _mean, place, name in sorted(pnmi)}
    strong = frozenset((place, 3 + metrics.index("pnmi")) for place in best.values())
    header = ["labels", "set", "replicates", *(QUALITY.get(metric, metric) for metric in metrics)]
    return Table("Label quality against aligned phones", header, rows, strong)


def spread(values: list[float]) -> str:
    """One value, or mean ± interval of several."""
    if len(values) < 2:
        return number(values[0] if values else None)
    found = statistics.of_networks(values)
    form = ",.1f" if abs(found.mean) > 10 else ".3f"
    return f"{found.mean:{form}} ± {found.half:{form}}"


def merges_table(results: Results, most: int = 12) -> Table:
    """The pairs of phones that each label set confounds most, by the number of frames; of first replicates."""
    confusion = results.lasting(results.confusion)
    columns: dict[str, list[str]] = {results.label_set(row["labels"]): [] for row in confusion}
    merged = [row for row in confusion if row["phone"] != row["read_as"]]
    for row in sorted(merged, key=lambda row: (-int(float(row["frames"])), row["phone"], row["read_as"])):
        if row["labels"] in columns and row["set"] == confusion[0]["set"]:
            share = f"{int(float(row['frames'])):,} ({float(row['share']):.2f})"
            columns[row["labels"]].append(f"{row['phone']} → {row['read_as']} {share}")
    ranks = list(zip_longest(*columns.values(), fillvalue=NONE))[:most]
    rows = [[str(rank), *cells] for rank, cells in enumerate(ranks, start=1)]
    caption = "Most frequent merges: phone → phone whose clusters its frames bear, frames (share of the phone's)"
    return Table(caption, ["rank", *columns], rows)


def agreement_table(results: Results) -> Table:
    """Every pair of label sets: normalised mutual information and both conditional entropies."""
    shown = results.lasting(results.agreement)
    values = {(row["labels_a"], row["labels_b"], row["metric"]): float(row["value"]) for row in shown}
    metrics = list(dict.fromkeys(metric for _a, _b, metric in values))
    pairs = dict.fromkeys((a, b) for a, b, _metric in values)
    rows = [[*pair, *(number(values.get((*pair, metric))) for metric in metrics)] for pair in pairs]
    header = ["labels a", "labels b", *(AGREEMENT.get(metric, metric) for metric in metrics)]
    return Table("Agreement of label sets", header, rows)


def data_table(results: Results) -> Table:
    """Utterances, hours and speakers of each data set."""
    rows = [
        [
            each.name,
            f"{each.utterances:,}",
            number(each.hours, ".2f"),
            f"{each.speakers:,}",
            number(each.unaligned, ","),
        ]
        for each in results.data
    ]
    return Table("Data sets after filtering", ["set", "utterances", "hours", "speakers", "without alignment"], rows)


def settings_tables(results: Results) -> tuple[Table, Table]:
    """The settings that differ between runs, and those that all runs share that have this section.

    A condition's first replicate stands for the others. A section is null where it says nothing, as `train` does of a
    network that was never trained.
    """
    sections = {
        run: {name: section for name, section in config.items() if section is not None}
        for run, config in results.configs.items()
        if run not in results.specs or results.specs[run].replicate == 1
    }
    flat = {run: dict(flatten(given)) for run, given in sections.items()}
    shared, different = [], []
    for key in dict.fromkeys(key for settings in flat.values() for key in settings):
        concerned = [run for run in flat if key.split(".")[0] in sections[run]]
        values = {flat[run].get(key, NONE) for run in concerned}
        if len(values) == 1:
            shared.append([key, *values])
        else:
            different.append([key, *(settings.get(key, NONE) for settings in flat.values())])
    return (
        Table("Settings that differ between runs", ["setting", *flat], different, wordy=True),
        Table("Settings that all runs share", ["setting", "value"], shared, wordy=True),
    )


def provenance_table(results: Results) -> Table:
    """Which command made each folder, and the hash of what it holds."""
    rows = [
        [folder, made["command"], made["version"], made["id"][:12], settings_line(made["settings"])]
        for folder, made in results.provenance.items()
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
        yield prefix, ", ".join(map(str, settings))
    else:
        yield prefix, NONE if settings is None else str(settings)


def settings_line(settings: dict) -> str:
    """Settings in one line: "k=100, seed=0"."""
    return ", ".join(f"{key}={value}" for key, value in flatten(settings)) or NONE


def duration(seconds: float) -> str:
    """Hours and minutes for people: "1 h 05 min"; below an hour minutes and seconds."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s"


def _percent(share: float | None) -> str:
    return number(None if share is None else 100 * share, ".1f")
