"""A study is a table of conditions: which objective, on which targets, from which start.

A row of the table is a condition; with `seeds: N` it stands for N runs, its replicates, which differ in all that is
drawn at random. Each has a chain of teachers of its own: replicate 2 of iteration 2 is taught by replicate 2 of
iteration 1. The first replicate bears the condition's own name and the others that name with their number
(hubert_it1, hubert_it1.2, hubert_it1.3), so that replicates can be added to a study that has been trained.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hubert_iter import options
from hubert_iter.config import SHARED, load_file
from hubert_iter.errors import UserError, nearest, refuse_unknown_keys
from hubert_iter.feats import normalise
from hubert_iter.options import option
from hubert_iter.refresh import LEG, MATCH, legs
from hubert_iter.study_models import fit_for_folder, with_rows_of_models

NO_TRAINING = "none"
MFCC = "mfcc"
BEST = "best"
"""In place of a tap: the layer whose units say most of phones (bin/choose_layer)."""


@dataclass(frozen=True)
class Condition:
    """What a row of the table says of its networks."""

    objective: str = option(NO_TRAINING, "an objective, a file of conf/objective, or none: the untrained network")
    pretrained: str = option(
        "", "a network from elsewhere, which is not trained: a Hugging Face folder or hub name, a torchaudio bundle or "
        "state dict, a fairseq checkpoint"
    )  # fmt: skip
    model: str = option("", "a file of conf/model: the encoder's size")
    train: str = option("", "a file of conf/train: schedule, batch, masking, optimiser")
    targets: str = option(
        "",
        "mfcc, or ROW@TAP: the layer of another row's network that is clustered; ROW@best: the one whose units say "
        "most of phones; {model: PATH, tap: 6}: of a network from elsewhere; none where objectives make them",
    )
    k: int = option(0, "number of clusters", least=0)
    normalise: str = option(
        normalise.NONE, "what is taken away from targets' features, so that labels say less of the speaker: mean, or "
        "mean and deviation, of the utterance or of the speaker", choices=normalise.KINDS,
    )  # fmt: skip
    kmeans: str = option(
        "", "file of somebody's own centroids, to label by instead of a k-means fitted here: npz, npy, fairseq's joblib"
    )
    updates: int = option(0, "length of the training", least=0)
    init: str = option(
        "", "row whose encoder weights it starts from (warm start), or {model: PATH}; the head is made anew"
    )
    refresh: dict[str, Any] = option(
        {}, "new labels from the run's own layer on the way: {every: 10000, tap: 6, k: 500}; keys: next table"
    )
    seed: int = option(0, "where all random numbers come from", least=0)
    set: dict[str, Any] = option(
        {}, "values that differ from those of the files: {train.learning_rate: 1.0e-3, model.layers: 4, ...}"
    )


@dataclass(frozen=True)
class Row(Condition):
    """A row of the table."""

    seeds: int = option(
        1, "networks of the row, its replicates; untrained rows have one unless they say otherwise", least=1
    )


@dataclass(frozen=True)
class Run(Condition):
    """One network of a study: a row, or one replicate of it."""

    name: str = ""
    condition: str = ""
    """The row of the study; for the first replicate the same as `name`."""
    replicate: int = 1
    iteration: int = 1
    """Rounds of labels that led to it: 1 for MFCC labels or none, else one more than its teacher's. Legs share it."""
    leg: int = 0
    """Which leg of a run with refresh; 0 for a run without."""
    until: int = 0
    """The update that the leg ends at."""
    continues: str = ""
    """The leg before this one; its last layers also teach this one."""

    @property
    def teacher(self) -> str:
        """The run whose layer the labels come from; "" when they come from MFCCs or there are none."""
        return self.targets.partition("@")[0] if "@" in self.targets else ""

    @property
    def tap(self) -> str:
        """The teacher's layer that is clustered, or BEST."""
        return self.targets.partition("@")[2]

    @property
    def labels(self) -> str:
        """Name of the label set; runs with the same targets, k and normalisation share it, replicates do not."""
        if not self.targets:
            return ""
        # A teacher's name holds the replicate already, but for one from elsewhere, which all share.
        named = re.search(rf"\.{self.replicate}(\.leg\d+)?$", self.teacher)
        number = "" if named or self.replicate == 1 else f".{self.replicate}"
        kind = "" if self.normalise == normalise.NONE else f"_{self.normalise}"
        own = f"_{fit_for_folder(Path(self.kmeans).stem)}" if self.kmeans else ""
        return f"{self.targets}_k{self.k}{own}{kind}{number}"

    @property
    def trained(self) -> bool:
        """False for the random network, and for those from elsewhere."""
        return self.objective != NO_TRAINING

    @property
    def random(self) -> bool:
        """True for the network with the weights that it began with."""
        return not self.trained and not self.pretrained

    @property
    def needs(self) -> tuple[str, ...]:
        """Runs that must be complete before this one."""
        return tuple(name for name in dict.fromkeys((self.teacher, self.init)) if name)

    @property
    def inner(self) -> bool:
        """True for a leg that another one continues: no network to be scored."""
        return bool(self.leg) and self.until < self.updates

    @property
    def keeps_head(self) -> bool:
        """True for a leg that goes on with the head of the leg before, renumbered."""
        return bool(self.continues) and self.refresh.get("head") == MATCH


DEFAULT_KEYS = ("model", "train", "k", "updates", "seed", "seeds", "set")
"""Keys that may stand at the top of a study, as the default of all its rows."""
SECTIONS = ("train", "model", "objective")
"""Sections whose options `set` may change."""
NUMBER = re.compile(r"(?P<condition>.+)\.(?P<replicate>[1-9]\d*)")
"""How a replicate is named."""


def replicate_name(condition: str, replicate: int) -> str:
    """The run's name, which is its folder's: the first replicate bears the condition's."""
    return condition if replicate == 1 else f"{condition}.{replicate}"


@dataclass(frozen=True)
class Study:
    """Runs in the order of their dependencies."""

    path: Path
    runs: dict[str, Run]
    """Whole networks; one with refresh is its last leg."""
    legs: dict[str, tuple[Run, ...]]
    """By the run's name: all legs of it that are trained, in order; of a run without refresh itself alone."""
    question: str = ""
    """What the study is to answer; heads its report."""
    compare: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Question -> pairs of conditions whose difference answers it."""

    @property
    def name(self) -> str:
        """The file's name, under which results are stored."""
        return self.path.stem

    @property
    def conditions(self) -> dict[str, tuple[Run, ...]]:
        """The replicates of each row, in the order of dependencies."""
        return group(self.runs.values())

    def run(self, name: str) -> Run:
        """The run of this name, or a UserError that names the nearest."""
        for leg in self.all_legs():
            if leg.name == name:
                return leg
        raise UserError(f"{self.path}: no run '{name}'{nearest(name, self.runs)}. Runs: {', '.join(self.runs)}")

    def all_legs(self) -> list[Run]:
        """All that is trained, in the order of dependencies."""
        return [leg for each in self.legs.values() for leg in each]

    def select(self, names: Iterable[str]) -> list[Run]:
        """All runs, or those named, in the order of dependencies.

        A name is a condition's, which means all its replicates, or that of one replicate: hubert_it1.1 is the first.
        """
        chosen = {run.name for name in names for run in self._named(name)} or set(self.runs)
        return [run for run in self.runs.values() if run.name in chosen]

    def _named(self, name: str) -> tuple[Run, ...]:
        conditions = self.conditions
        if name in conditions:
            return conditions[name]
        match = NUMBER.fullmatch(name)
        if match and match["condition"] in conditions:
            replicates = conditions[match["condition"]]
            for run in replicates:
                if run.replicate == int(match["replicate"]):
                    return (run,)
            raise UserError(
                f"{self.path}: no run '{name}': {match['condition']} has {len(replicates)} replicate(s). Raise 'seeds' "
                "in the study to have more"
            )
        raise UserError(f"{self.path}: no run '{name}'{nearest(name, conditions)}. Runs: {', '.join(conditions)}")


def group(runs: Iterable[Run]) -> dict[str, tuple[Run, ...]]:
    """Runs by condition, in their order."""
    grouped: dict[str, tuple[Run, ...]] = {}
    for run in runs:
        grouped[run.condition] = (*grouped.get(run.condition, ()), run)
    return grouped


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
        raise UserError(f"{path}: question: expected a sentence, found {question!r}. Put it between quotation marks")
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
    return Study(path, {name: each[-1] for name, each in found.items()}, found, question, _compare(pairs, rows, path))


def _compare(given: Any, rows: Mapping[str, Run], path: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    """Questions with their pairs of rows; one pair may stand without a list around it."""
    if not isinstance(given, dict):
        raise UserError(f"{path}: compare: expected {{QUESTION: [ROW, ROW], ...}}, found {given!r}")
    found = {}
    for question, value in given.items():
        where = f"{path}: compare: {question}"
        pairs = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2:
                raise UserError(f"{where}: expected [ROW, ROW], or a list of such pairs, found {pair!r}")
            for row in map(str, pair):
                if row not in rows:
                    raise UserError(f"{where}: no run '{row}'{nearest(row, rows)}. Runs: {', '.join(rows)}")
        found[str(question)] = tuple((str(first), str(second)) for first, second in pairs)
    return found


def _row(name: str, row: dict, defaults: dict, where: str) -> tuple[Run, int]:
    """The first replicate of a row, and the number of replicates."""
    if not isinstance(row, dict):
        raise UserError(f"{where}: expected {{objective: ..., ...}}, found {row!r}")
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
    if run.targets and run.targets != MFCC and not (run.teacher and run.tap):
        raise UserError(f"{where}: targets: expected mfcc or RUN@TAP (hubert_it1@6, say), found '{run.targets}'")
    if run.normalise != normalise.NONE and not run.targets:
        raise UserError(f"{where}: normalise: expected with targets alone, whose features it changes: remove it")
    if not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
        raise UserError(f"{where}: a run's name names a folder: use letters, digits, '_', '-' and '.' only")
    if NUMBER.fullmatch(name) or LEG.fullmatch(name):
        raise UserError(
            f"{where}: names that end in '.' and a number are those of replicates, in '.leg' and a number of legs: "
            "rename the run"
        )
    return run, seeds


def _check_set(given: Any, sections: tuple[str, ...], where: str) -> None:
    if not isinstance(given, dict):
        raise UserError(f"{where}: set: expected {{train.learning_rate: 1.0e-3, ...}}, found {given!r}")
    for name in given:
        section, _, option_name = str(name).partition(".")
        if section not in sections or not option_name:
            expected = ", ".join(f"{each}.NAME" for each in sections)
            raise UserError(f"{where}: set: expected {expected}, found '{name}'")


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
