"""Tables of scores as stage 9 writes them, and the arrays of each network that statistics need.

Runs of a study are scored on the same segments and folds, so arrays of several runs may be compared element by element.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubert_iter import provenance, tsv
from hubert_iter.analysis.measure import PairRow, Row, Scored, SpeakerRow
from hubert_iter.analysis.pool import Layers
from hubert_iter.errors import UserError

if TYPE_CHECKING:  # scipy, which is not needed to say "up to date"
    from hubert_iter.analysis.statistics import Scores

FILE_NAME = "scores.tsv"
SPEAKERS_FILE = "speakers.tsv"
PAIRS_FILE = "pairs.tsv"
LEFT_OUT = ".left_out.txt"
"""After a measure's name: a file that says why it leaves a network out."""
SCORE = "pwcca"
NULL = "null_pwcca"
LINGUISTIC = ("phone", "word")
"""The properties of what is said."""
COLUMNS, SPEAKER_COLUMNS, PAIR_COLUMNS = (
    ("run", "update", *("property" if name == "prop" else name for name in kind._fields))
    for kind in (Row, SpeakerRow, PairRow)
)
Cells = Mapping[str, str]
"""A line of a table: column -> cell."""


def write(folder: Path, network: Layers, scored: Scored) -> None:
    """Write scores.tsv, and speakers.tsv and pairs.tsv where there are any; '-' is None, numbers keep ten digits."""
    tables = {FILE_NAME: (COLUMNS, scored.rows)}
    if scored.speakers:
        tables[SPEAKERS_FILE] = (SPEAKER_COLUMNS, scored.speakers)
    if scored.pairs:
        tables[PAIRS_FILE] = (PAIR_COLUMNS, scored.pairs)
    for name, (columns, rows) in tables.items():
        cells = (map(_text, (network.name, network.updates, *row)) for row in rows)
        tsv.write(folder / name, columns, cells)


def read(folder: Path, name: str = FILE_NAME) -> list[dict[str, str]]:
    """Read one of a measure's tables; [] where it has none but its scores."""
    columns = {FILE_NAME: COLUMNS, SPEAKERS_FILE: SPEAKER_COLUMNS, PAIRS_FILE: PAIR_COLUMNS}[name]
    if name != FILE_NAME and not (folder / name).is_file():
        return []
    return tsv.read(folder / name, columns, "stage 9")


def check_comparable(folders: Iterable[Path], made_by: str) -> None:
    """Refuse scores by one measure of runs that were not scored on the same segments, with the same settings.

    `made_by` says what is to be run again then.
    """
    first: tuple[Path, object] | None = None
    for folder in folders:
        record = provenance.read(folder)
        inputs = {name: given["id"] for name, given in record["inputs"].items() if name in SHARED_INPUTS}
        settings = {name: value for name, value in record["settings"].items() if name != "run"}
        if first is None:
            first = folder, (inputs, settings)
        elif first[1] != (inputs, settings):
            raise UserError(
                f"{folder}: scored on other segments, or with other settings, than {first[0]}. Run {made_by} again for "
                "all runs"
            )


SHARED_INPUTS = ("samples", "data", "alignments")
"""Inputs of a measure that must be the same for all runs that are compared."""


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def last_updates(rows: Iterable[Cells]) -> list[Cells]:
    """The rows of each run's last scored update."""
    rows = list(rows)
    last: dict[str, int] = {}
    for row in rows:
        last[row["run"]] = max(last.get(row["run"], 0), int(row["update"]))
    return [row for row in rows if int(row["update"]) == last[row["run"]]]


def networks(
    rows: Iterable[Cells], speakers: Iterable[Cells] = (), metric: str = SCORE
) -> dict[tuple[str, str], "Scores"]:
    """(run, property) -> scores of the Transformer's layers, in order, at the last update that was scored.

    UserError where two runs have other sample sets or trials.
    """
    from hubert_iter.analysis.statistics import Scores

    values: dict[tuple[str, str], dict] = {}
    for row in last_updates(row for row in rows if row["metric"] == metric and row["layer"].isdigit()):
        place = (int(row["layer"]), int(row["sample_set"]), int(row["trial"]))
        values.setdefault((row["run"], row["property"]), {})[place] = float(row["value"])
    without: dict[tuple[str, str], dict] = {}
    for row in last_updates(row for row in speakers if row["metric"] == metric and row["layer"].isdigit()):
        place = (int(row["layer"]), row["speaker"])
        without.setdefault((row["run"], row["property"]), {})[place] = float(row["value"])
    found = {key: Scores(_array(each, *key), _left_out(without.get(key))) for key, each in values.items()}
    _check_alike(found)
    return found


def _array(values: Mapping[tuple[int, int, int], float], run: str, prop: str) -> np.ndarray:
    """float [layers, sample sets, trials]; every place must have a value."""
    sizes = [len({place[axis] for place in values}) for axis in range(3)]
    if len(values) != np.prod(sizes):
        raise UserError(
            f"run {run}, {prop}: expected a score for each of {sizes[0]} layers, {sizes[1]} sample sets and {sizes[2]} "
            f"trials, found {len(values)}. Run stage 9 again"
        )
    return np.array([values[place] for place in sorted(values)]).reshape(sizes)


def _left_out(values: Mapping[tuple[int, str], float] | None) -> np.ndarray | None:
    """float [layers, speakers], speakers in alphabetical order; None where there are none or only one."""
    if not values:
        return None
    layers = len({layer for layer, _ in values})
    array = np.array([values[place] for place in sorted(values)]).reshape(layers, -1)
    return array if array.shape[1] > 1 else None


def _check_alike(found: Mapping[tuple[str, str], "Scores"]) -> None:
    first: dict[str, tuple[str, tuple]] = {}
    for (run, prop), scores in found.items():
        other, shape = first.setdefault(prop, (run, scores.trials.shape[1:]))
        if shape != scores.trials.shape[1:]:
            raise UserError(
                f"{prop}: {other} was scored in {shape[0]} sample sets and {shape[1]} trials, {run} in "
                f"{scores.trials.shape[1]} and {scores.trials.shape[2]}. Score all runs with the same options (stage 9)"
            )
