"""Reads a study: a table of conditions, that is which objective, on which targets, from which start."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hubert_iter import options
from hubert_iter.config import SHARED, load_file
from hubert_iter.errors import UserError, nearest, refuse_unknown_keys, shown
from hubert_iter.feats import normalise
from hubert_iter.refresh import LEG, legs
from hubert_iter.runs import MFCC, NO_TRAINING, NUMBER, Row, Run, Study, replicate_name, why_reserved
from hubert_iter.study_models import with_rows_of_models

DEFAULT_KEYS = ("model", "train", "k", "updates", "seed", "seeds", "set")
"""Keys that may stand at the top of a study, as the default of all its rows."""
SECTIONS = ("train", "model", "objective")
"""Sections whose options `set` may change."""


def values_of(path: str | Path) -> dict:
    """What the file says, on top of its `base`: another study of the same conf/study, or of the project's."""
    path = Path(path)
    return load_file(path, "study", (path.parent.parent, SHARED))


def read(path: str | Path) -> Study:
    """Read and check a study; every fault names the file and the run."""
    path = Path(path)
    return make(path, values_of(path))


def make(path: Path, values: Mapping[str, Any]) -> Study:
    """Make a study from a file's values; `path` is for messages, and its name for results."""
    values = dict(values)
    refuse_unknown_keys(values, (*DEFAULT_KEYS, "question", "compare", "runs"), str(path))
    table, question, pairs = values.pop("runs", None), values.pop("question", ""), values.pop("compare", {})
    if not isinstance(question, str):
        raise UserError(
            f"{path}: question: expected a sentence, found {shown(question)}. Put it between quotation marks"
        )
    if not isinstance(table, dict) or not table:
        raise UserError(f"{path}: expected a table 'runs:' with at least one run")
    _check_set(values.get("set", {}), SECTIONS, str(path))
    rows, seeds = {}, {}
    for name, row in with_rows_of_models(table, str(path)).items():
        rows[str(name)], seeds[str(name)] = _row(str(name), row, values, f"{path}: run {name}")
    for row in rows.values():
        for needed in row.needs:
            _check_needed(row, needed, rows, seeds, path)
    found: dict[str, tuple[Run, ...]] = {}
    for row in _in_order(rows, path):
        teacher = found[row.teacher][-1] if row.teacher else None
        row = replace(row, iteration=teacher.iteration + 1 if teacher else 1)
        for run in _replicates(row, seeds[row.name], shared={name for name, each in rows.items() if each.pretrained}):
            found[run.name] = tuple(legs(run, f"{path}: run {row.name}"))
    _check_centroids(rows.values(), path)
    return Study(path, {name: each[-1] for name, each in found.items()}, found, question, _compare(pairs, rows, path))


def _compare(given: Any, rows: Mapping[str, Run], path: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    """Questions with their pairs of rows; one pair may stand without a list around it."""
    if not isinstance(given, dict):
        raise UserError(f"{path}: compare: expected {{QUESTION: [ROW, ROW], ...}}, found {shown(given)}")
    found = {}
    for question, value in given.items():
        where = f"{path}: compare: {question}"
        pairs = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2:
                raise UserError(f"{where}: expected [ROW, ROW], or a list of such pairs, found {shown(pair)}")
            for row in map(str, pair):
                if row not in rows:
                    raise UserError(f"{where}: no run '{row}'{nearest(row, rows)}. Runs: {', '.join(rows)}")
        found[str(question)] = tuple((str(first), str(second)) for first, second in pairs)
    return found


def _row(name: str, row: dict, defaults: dict, where: str) -> tuple[Run, int]:
    """The first replicate of a row, and the number of replicates."""
    if not isinstance(row, dict):
        raise UserError(f"{where}: expected {{objective: ..., ...}}, found {shown(row)}")
    own, common = row.get("set", {}), defaults.get("set", {})
    unused = {"k"} if "targets" not in row else set()
    sections = SECTIONS
    if row.get("objective", NO_TRAINING) == NO_TRAINING:
        unused |= {"updates", "train", "seeds", *(("model", "set") if "pretrained" in row else ())}
        sections = ("model",)
        common = {key: value for key, value in common.items() if key.startswith("model.")}
    _check_set(own, sections, where)
    defaults = {key: value for key, value in defaults.items() if key not in unused}
    values = options.values(options.read(Row, {**defaults, **row, "set": common | own}, where))
    seeds = values.pop("seeds")
    run = Run(name=name, condition=name, **values)
    if run.pretrained and run.trained:
        raise UserError(f"{where}: a network from elsewhere is not trained: remove objective, or use init: {name}")
    if run.pretrained and seeds > 1:
        raise UserError(f"{where}: seeds: expected 1, found {seeds}: a network from elsewhere has no replicates")
    if run.kmeans and not run.targets:
        raise UserError(f"{where}: kmeans: expected with targets, whose features it labels, and k, its centroids")
    if not run.model and not run.pretrained:
        raise UserError(f"{where}: no model: name one of conf/model, here or at the top of the study")
    if run.trained and (not run.updates or not run.train):
        raise UserError(f"{where}: expected updates and train (a name of conf/train), here or at the top of the study")
    if (run.targets or run.refresh) and not run.trained:
        raise UserError(f"{where}: a network without training has no targets and no refresh: remove them")
    if bool(run.targets) != bool(run.k):
        raise UserError(f"{where}: expected targets (mfcc or RUN@TAP) and k together, found only one of them")
    if run.k == 1:
        raise UserError(f"{where}: k: expected at least 2 clusters, found 1: there would be nothing to tell apart")
    if run.targets and run.targets != MFCC and not (run.teacher and run.tap.isalnum()):
        raise UserError(f"{where}: targets: expected mfcc or RUN@TAP (hubert_it1@6, say), found '{run.targets}'")
    if run.normalise != normalise.NONE and not run.targets:
        raise UserError(f"{where}: normalise: expected with targets alone, whose features it changes: remove it")
    if not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
        raise UserError(f"{where}: a run's name names a folder: use letters, digits, '_', '-' and '.' only")
    if max(len(name), len(run.labels)) > options.LONGEST_NAME:
        raise UserError(f"{where}: its name, or that of its labels ({run.labels}), is too long for a folder's")
    if why := why_reserved(name):
        raise UserError(f"{where}: {why}: rename the run")
    if NUMBER.fullmatch(name) or LEG.fullmatch(name):
        raise UserError(
            f"{where}: names that end in '.' and a number are those of replicates, in '.leg' and a number of legs: "
            "rename the run"
        )
    return run, seeds


def _check_set(given: Any, sections: tuple[str, ...], where: str) -> None:
    if not isinstance(given, dict):
        raise UserError(f"{where}: set: expected {{train.learning_rate: 1.0e-3, ...}}, found {shown(given)}")
    for name in given:
        section, _, option_name = str(name).partition(".")
        if section not in sections or not option_name:
            expected = ", ".join(f"{each}.NAME" for each in sections)
            raise UserError(f"{where}: set: expected {expected}, found '{name}'")


def _check_centroids(rows: Iterable[Run], path: Path) -> None:
    """Labels by centroids of the user's own bear their file's name: two files of one name would make them in turn."""
    files: dict[str, Run] = {}
    for row in rows:
        first = files.setdefault(row.labels, row)
        if row.labels and first.kmeans != row.kmeans:
            raise UserError(
                f"{path}: runs {first.name} and {row.name}: kmeans: {first.kmeans} and {row.kmeans} would make labels "
                f"of one name, {row.labels}: rename one of the files"
            )


def _check_needed(row: Run, needed: str, rows: Mapping[str, Run], seeds: Mapping[str, int], path: Path) -> None:
    """A run that another one needs must be in the table, with as many replicates."""
    if needed not in rows:
        raise UserError(
            f"{path}: run {row.name}: needs run '{needed}'{nearest(needed, rows)}, which is not in the table"
        )
    if seeds[needed] < seeds[row.name] and not rows[needed].pretrained:
        raise UserError(
            f"{path}: run {row.name}: seeds: expected at most {seeds[needed]}, as {needed} has, found "
            f"{seeds[row.name]}: each replicate needs one of its own there"
        )


def _replicates(row: Run, count: int, shared: Collection[str]) -> list[Run]:
    """The runs of a row; each needs runs of its own replicate, but all share those of `shared`."""
    runs = []
    for number in range(1, count + 1):
        teacher, init = (
            needed if not needed or needed in shared else replicate_name(needed, number)
            for needed in (row.teacher, row.init)
        )
        targets = f"{teacher}@{row.tap}" if teacher else row.targets
        name = replicate_name(row.name, number)
        runs.append(replace(row, name=name, replicate=number, targets=targets, init=init))
    return runs


def _in_order(rows: dict[str, Run], path: Path) -> list[Run]:
    order: dict[str, Run] = {}
    waiting = dict(rows)
    while waiting:
        ready = [name for name, row in waiting.items() if all(needed in order for needed in row.needs)]
        if not ready:
            raise UserError(f"{path}: these runs wait for each other in a circle: {', '.join(waiting)}")
        order[ready[0]] = waiting.pop(ready[0])
    return list(order.values())
