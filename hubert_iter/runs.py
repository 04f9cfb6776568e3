"""The conditions, runs and networks of a study, once its table has been read (`study.py`).

A row of the table is a condition; with `seeds: N` it stands for N runs, its replicates, which differ in all that is
drawn at random. Each has a chain of teachers of its own: replicate 2 of iteration 2 is taught by replicate 2 of
iteration 1. The first replicate bears the condition's own name and the others that name with their number
(hubert_it1, hubert_it1.2, hubert_it1.3), so that replicates can be added to a study that has been trained.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubert_iter import lock, parts, provenance
from hubert_iter.errors import UserError, nearest
from hubert_iter.feats import normalise
from hubert_iter.options import option
from hubert_iter.refresh import MATCH
from hubert_iter.study_models import fit_for_folder

NO_TRAINING = "none"
MFCC = "mfcc"
RESERVED = ("report", "samples", "log", "old", "agreement", "mfcc", "logmel")
"""Names of folders beside the runs' own: the recipe's, and those of the features scored without a network."""
BEST = "best"
"""In place of a tap: the layer whose units say most of phones (bin/choose_layer)."""


def why_reserved(name: str) -> str:
    """Why no network may bear this name; "" where one may."""
    if name in RESERVED:
        return "the recipe itself has a folder of this name beside the runs"
    if not provenance.is_current(Path(name)) or name.endswith((lock.SUFFIX, parts.SUFFIX)):
        return "names of folders that are being made, or were edited by hand, end so, and the report leaves those out"
    if "JOB" in name:
        return "launchers put a job's number in the place of JOB, as Kaldi's do"
    return ""


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
    k: int = option(0, "number of clusters", least=0, most=10**7)
    normalise: str = option(
        normalise.NONE, "what is taken away from targets' features, so that labels say less of the speaker: mean, or "
        "mean and deviation, of the utterance or of the speaker", choices=normalise.KINDS,
    )  # fmt: skip
    kmeans: str = option(
        "", "file of somebody's own centroids, to label by instead of a k-means fitted here: npz, npy, fairseq's joblib"
    )
    updates: int = option(0, "length of the training", least=0, most=10**9)
    init: str = option(
        "", "row whose encoder weights it starts from (warm start), or {model: PATH}; the head is made anew"
    )
    refresh: dict[str, Any] = option(
        {}, "new labels from the run's own layer on the way: {every: 10000, tap: 6, k: 500}; keys: next table"
    )
    seed: int = option(0, "where all random numbers come from", least=0, most=2**63 - 1)
    set: dict[str, Any] = option(
        {}, "values that differ from those of the files: {train.learning_rate: 1.0e-3, model.layers: 4, ...}"
    )


@dataclass(frozen=True)
class Row(Condition):
    """A row of the table."""

    seeds: int = option(
        1, "networks of the row, its replicates; untrained rows have one unless they say otherwise", least=1, most=1000
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
