"""The table of error rates: a line for each condition of the study, baselines first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubert_iter import tsv
from hubert_iter.analysis import measures, scores, statistics
from hubert_iter.analysis.measures.recognition import ERRORS, Recognition
from hubert_iter.analysis.statistics import Condition, Interval, Scores
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.runs import Study

ORDER = ("phone", "word", "character")
COLUMNS = ("condition", "what", "networks", "error_rate", "half_interval", "minus_reference", "half_interval_of_minus")


@dataclass(frozen=True)
class Cell:
    """A condition's error rate, and how far it is from the reference's on the same speakers (None for itself)."""

    rate: Interval
    minus: Interval | None


@dataclass(frozen=True)
class Table:
    """(condition, what is counted) -> cell, and what the others are compared with."""

    cells: dict[tuple[str, str], Cell]
    reference: str


def build(study: Study, folders: Sequence[Path], reference: str) -> Table:
    """Gather what asr_measure has written; UserError where networks were not scored alike."""
    recognisers: dict[str, list[Path]] = {}
    for folder in folders:
        recognisers.setdefault(measures.of_folder(folder.name, "--scores").variant, []).append(folder)
    networks: dict[str, dict[str, dict[str, list[Scores]]]] = {}
    for recogniser, its in recognisers.items():
        scores.check_comparable(its, Recognition.made_by)
        for folder in its:
            for (run, what), network in _networks(folder).items():
                condition = study.runs[run].condition if run in study.runs else run
                networks.setdefault(what, {}).setdefault(recogniser, {}).setdefault(condition, []).append(network)
    # What several recognisers of this table are scored on, words of subword units and of characters say, names them.
    found = {
        (condition, what if len(networks[what]) == 1 else f"{what} ({recogniser})"): its
        for what in sorted(networks, key=ORDER.index)
        for recogniser, conditions in networks[what].items()
        for condition, its in conditions.items()
    }
    conditions = dict.fromkeys(condition for condition, _ in found)
    if reference not in conditions:
        reference = next((name for name in reversed(BASELINES) if name in conditions), "")
    order = [*BASELINES, *dict.fromkeys(run.condition for run in study.runs.values())]
    named = [name for name in order if name in conditions] + [name for name in conditions if name not in order]
    cells = {
        (name, what): _cell(found[name, what], found.get((reference, what)) if name != reference else None)
        for name in named
        for what in dict.fromkeys(what for _, what in found)
        if (name, what) in found
    }
    return Table(cells, reference)


def _cell(networks: Condition, reference: Condition | None) -> Cell:
    return Cell(statistics.level(networks), statistics.difference(networks, reference) if reference else None)


def _networks(folder: Path) -> dict[tuple[str, str], Scores]:
    """(run, what) -> its error rate, one layer, one trial, and with each speaker left out."""
    without: dict[tuple[str, str], dict[str, float]] = {}
    for row in scores.read(folder, scores.SPEAKERS_FILE):
        if row["metric"] == ERRORS:
            without.setdefault((row["run"], row["property"]), {})[row["speaker"]] = float(row["value"])
    return {
        key: Scores(np.array([[[float(row["value"])]]]), _array(without.get(key)))
        for row in scores.read(folder)
        if row["metric"] == ERRORS
        for key in [(row["run"], row["property"])]
    }


def _array(left_out: dict[str, float] | None) -> np.ndarray | None:
    return np.array([[left_out[speaker] for speaker in sorted(left_out)]]) if left_out else None


def write(folder: Path, table: Table) -> None:
    """Write error_rates.tsv, and error_rates.md for documents."""
    rows = []
    for (condition, what), cell in table.cells.items():
        minus = (cell.minus.mean, cell.minus.half) if cell.minus else (0.0, 0.0)
        numbers = (cell.rate.mean, cell.rate.half, *minus)
        rows.append((condition, what, str(cell.rate.networks[0]), *(f"{number:.6g}" for number in numbers)))
    tsv.write(folder / "error_rates.tsv", COLUMNS, rows)
    (folder / "error_rates.md").write_text(markdown(table), encoding="utf-8")


def markdown(table: Table) -> str:
    """Per cent, mean ± half of the 95 % interval over networks and evaluation speakers."""
    kinds = list(dict.fromkeys(what for _, what in table.cells))
    shown = 2 if table.reference else 1  # without a reference no difference from one
    header = ["condition", "networks"]
    for what in kinds:
        header += [f"{what} errors", f"− {table.reference}"][:shown]
    lines = [header, ["---"] * len(header)]
    for condition in dict.fromkeys(condition for condition, _ in table.cells):
        cells = [table.cells.get((condition, what)) for what in kinds]
        networks = max(cell.rate.networks[0] for cell in cells if cell)
        lines.append([condition, str(networks)])
        for cell in cells:
            lines[-1] += [_percent(cell and cell.rate), _percent(cell and cell.minus)][:shown]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _percent(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    half = "" if np.isnan(interval.half) else f" ± {100 * interval.half:.1f}"
    return f"{100 * interval.mean:.1f}{half}"
