"""Tables of scores as the stages wrote them, and as arrays of one network that statistics are made from.

Runs of a study are scored on the same segments and folds, so arrays of several runs may be compared element by element.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hubert_iter import provenance
from hubert_iter.analysis.statistics import Scores
from hubert_iter.errors import UserError

FILE_NAME = "scores.tsv"
SPEAKERS_FILE = "speakers.tsv"
SCORE = "pwcca"
NULL = "null_pwcca"
LINGUISTIC = ("phone", "word")
PROPERTIES = (*LINGUISTIC, "speaker")
COLUMNS = ("run", "update", "layer", "property", "metric", "sample_set", "trial", "value")
SPEAKER_COLUMNS = ("run", "update", "layer", "property", "metric", "speaker", "value")
Row = Mapping[str, str]


def load(
    paths: Iterable[str | Path], command: str = "score_cca", scored_on: Iterable[str] = ("samples",)
) -> list[dict[str, str]]:
    """Read scores.tsv of several runs; UserError when they were not scored on the same segments.

    `scored_on` are the inputs and settings of `command` that must be the same.
    """
    rows: list[dict[str, str]] = []
    origins: dict[tuple, Path] = {}
    for path in map(Path, paths):
        path = path / FILE_NAME if path.is_dir() else path
        rows.extend(_read(path, COLUMNS, command))
        if (path.parent / provenance.FILE_NAME).is_file():
            record = provenance.read(path.parent)
            known = {name: given["id"] for name, given in record["inputs"].items()} | record["settings"]
            origins.setdefault(tuple(_hashable(known.get(name)) for name in scored_on), path)
            if len(origins) > 1:
                first, second = list(origins.values())[:2]
                raise UserError(
                    f"{second}: scored on other segments, or with other settings, than {first}. Run stages 8 and 9 "
                    "again for all runs"
                )
    return rows


def load_speakers(paths: Iterable[str | Path], command: str = "score_cca") -> list[dict[str, str]]:
    """Read the scores without each speaker, where they lie beside the scores.tsv given."""
    files = [Path(path).with_name(SPEAKERS_FILE) for path in paths]
    return [row for file in files if file.is_file() for row in _read(file, SPEAKER_COLUMNS, command)]


def _read(path: Path, columns: Sequence[str], command: str) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            if tuple(reader.fieldnames or ()) != columns:
                raise UserError(f"{path}:1: expected the columns {' '.join(columns)}. Run {command} again")
            return list(reader)
    except FileNotFoundError:
        raise UserError(f"{path}: missing. Run {command} (stage 9)") from None


def write(path: Path, rows: Iterable[tuple], columns: Sequence[str] = COLUMNS) -> None:
    """Write scores.tsv, or speakers.tsv with its columns; '-' stands for None, numbers keep ten digits."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("\t".join(columns) + "\n")
        for row in rows:
            file.write("\t".join(_text(value) for value in row) + "\n")


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def last_updates(rows: Iterable[Row]) -> list[Row]:
    """The rows of each run's last scored update."""
    rows = list(rows)
    last: dict[str, int] = {}
    for row in rows:
        last[row["run"]] = max(last.get(row["run"], 0), int(row["update"]))
    return [row for row in rows if int(row["update"]) == last[row["run"]]]


def networks(rows: Iterable[Row], speakers: Iterable[Row] = (), metric: str = SCORE) -> dict[tuple[str, str], Scores]:
    """(run, property) -> scores of the Transformer's layers, in order, at the last update that was scored.

    UserError where two runs have other sample sets or trials.
    """
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
            f"trials, found {len(values)}. Run score_cca (stage 9) again"
        )
    return np.array([values[place] for place in sorted(values)]).reshape(sizes)


def _left_out(values: Mapping[tuple[int, str], float] | None) -> np.ndarray | None:
    """float [layers, speakers], speakers in alphabetical order; None where there are none or only one."""
    if not values:
        return None
    layers = len({layer for layer, _ in values})
    array = np.array([values[place] for place in sorted(values)]).reshape(layers, -1)
    return array if array.shape[1] > 1 else None


def _check_alike(found: Mapping[tuple[str, str], Scores]) -> None:
    first: dict[str, tuple[str, tuple]] = {}
    for (run, prop), scores in found.items():
        other, shape = first.setdefault(prop, (run, scores.trials.shape[1:]))
        if shape != scores.trials.shape[1:]:
            raise UserError(
                f"{prop}: {other} was scored in {shape[0]} sample sets and {shape[1]} trials, {run} in "
                f"{scores.trials.shape[1]} and {scores.trials.shape[2]}. Score all runs with the same options (stage 9)"
            )
