"""A study is a table of runs: which objective, on which targets, from which start."""

from dataclasses import dataclass, fields
from pathlib import Path

from hubert_iter.config import read_yaml
from hubert_iter.errors import UserError, nearest, refuse_unknown_keys

NO_TRAINING = "none"
MFCC = "mfcc"


@dataclass(frozen=True)
class Run:
    """One row of a study."""

    name: str
    objective: str
    model: str
    train: str = ""
    targets: str = ""
    """"mfcc", or "<teacher>@<tap>": the run whose layer is clustered; "" for an objective that makes its own."""
    k: int = 0
    updates: int = 0
    init: str = ""
    """The run whose encoder weights this one starts from (warm start); "" draws them anew."""
    seed: int = 0

    @property
    def teacher(self) -> str:
        """The run whose layer the labels come from; "" when they come from MFCCs or there are none."""
        return self.targets.partition("@")[0] if "@" in self.targets else ""

    @property
    def tap(self) -> str:
        """The teacher's layer that is clustered."""
        return self.targets.partition("@")[2]

    @property
    def labels(self) -> str:
        """Name of the label set; runs with the same targets and k share it."""
        return f"{self.targets}_k{self.k}" if self.targets else ""

    @property
    def trained(self) -> bool:
        """False for the random network."""
        return self.objective != NO_TRAINING

    @property
    def needs(self) -> tuple[str, ...]:
        """Runs that must be complete before this one."""
        return tuple(name for name in dict.fromkeys((self.teacher, self.init)) if name)


RUN_KEYS = tuple(field.name for field in fields(Run) if field.name != "name")
DEFAULT_KEYS = ("model", "train", "k", "updates", "seed")
"""Keys that may stand at the top of a study, as the default of all its runs."""


@dataclass(frozen=True)
class Study:
    """Runs in the order of their dependencies."""

    path: Path
    runs: dict[str, Run]

    @property
    def name(self) -> str:
        """The file's name, under which results are stored."""
        return self.path.stem

    def run(self, name: str) -> Run:
        """The run of this name, or a UserError that names the nearest."""
        if name not in self.runs:
            raise UserError(f"{self.path}: no run '{name}'{nearest(name, self.runs)}. Runs: {', '.join(self.runs)}")
        return self.runs[name]

    def select(self, names: list[str]) -> list[Run]:
        """The named runs, or all, in the order of dependencies."""
        chosen = {self.run(name).name for name in names} or set(self.runs)
        return [run for run in self.runs.values() if run.name in chosen]


def read(path: str | Path) -> Study:
    """Read and check a study; every fault names the file and the run."""
    path = Path(path)
    values = read_yaml(path)
    refuse_unknown_keys(values, (*DEFAULT_KEYS, "runs"), str(path))
    table = values.pop("runs", None)
    if not isinstance(table, dict) or not table:
        raise UserError(f"{path}: expected a table 'runs:' with at least one run")
    runs = {name: _run(str(name), row, values, f"{path}: run {name}") for name, row in table.items()}
    for run in runs.values():
        for needed in run.needs:
            if needed not in runs:
                raise UserError(
                    f"{path}: run {run.name}: needs run '{needed}'{nearest(needed, runs)}, which is not in the table"
                )
    return Study(path, {name: runs[name] for name in _in_order(runs, path)})


def _run(name: str, row: dict, defaults: dict, where: str) -> Run:
    if not isinstance(row, dict):
        raise UserError(f"{where}: expected {{objective: ..., ...}}, found {row!r}")
    refuse_unknown_keys(row, RUN_KEYS, where)
    objective = row.get("objective", NO_TRAINING)
    if "targets" not in row:
        defaults = {key: value for key, value in defaults.items() if key != "k"}
    if objective == NO_TRAINING:
        defaults = {key: value for key, value in defaults.items() if key not in ("updates", "train")}
    values = {**defaults, **row, "objective": objective}
    for key in ("k", "updates", "seed"):
        if key in values and (not isinstance(values[key], int) or values[key] < 0):
            raise UserError(f"{where}: {key}: expected a whole number, found {values[key]!r}")
    if "model" not in values:
        raise UserError(f"{where}: no model: name one of conf/model, here or at the top of the study")
    run = Run(name=name, **values)
    if run.trained and (not run.updates or not run.train):
        raise UserError(f"{where}: expected updates and train (a name of conf/train), here or at the top of the study")
    if run.targets and not run.trained:
        raise UserError(f"{where}: a network without training has no targets: remove them")
    if bool(run.targets) != bool(run.k):
        raise UserError(f"{where}: expected targets (mfcc or RUN@TAP) and k together, found only one of them")
    if run.targets and run.targets != MFCC and not (run.teacher and run.tap):
        raise UserError(f"{where}: targets: expected mfcc or RUN@TAP (hubert_it1@6, say), found '{run.targets}'")
    if not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
        raise UserError(f"{where}: a run's name names a folder: use letters, digits, '_', '-' and '.' only")
    return run


def _in_order(runs: dict[str, Run], path: Path) -> list[str]:
    order: list[str] = []
    waiting = dict(runs)
    while waiting:
        ready = [name for name, run in waiting.items() if all(needed in order for needed in run.needs)]
        if not ready:
            raise UserError(f"{path}: these runs wait for each other in a circle: {', '.join(waiting)}")
        order.append(ready[0])
        del waiting[ready[0]]
    return order
