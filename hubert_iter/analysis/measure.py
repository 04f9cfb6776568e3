"""What a measure is, what it is given, and what it gives back.

A measure is one module in `analysis/measures` with one subclass of `Measure`, which says all about itself: its
settings, what it needs, how it scores a network's layers, what lines and controls its scores stand beside, and how the
report names and draws them. Nothing else lists measures; `conf/analysis/*.yaml` says which are scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from hubert_iter.analysis import frame_sample, pool, sample
from hubert_iter.analysis.frame_sample import FrameSample
from hubert_iter.analysis.parallel import Workers
from hubert_iter.analysis.sample import Samples

FACT = "-"
"""In place of the layer, in rows that hold for all layers: a number of instances, a chance level."""

ALL = "all"
"""In place of the layer, in rows on all layers together."""


class Row(NamedTuple):
    """One score."""

    layer: str
    prop: str
    """What the layer is compared with: phone, word, speaker, or another thing that the measure names."""
    metric: str
    sample_set: int
    trial: int | None
    value: float


class SpeakerRow(NamedTuple):
    """A score, mean over sample sets and trials, with one evaluation speaker (or group of them) left out."""

    layer: str
    prop: str
    metric: str
    speaker: str
    value: float


class PairRow(NamedTuple):
    """A score of two layers, of two networks or of one."""

    layer: str
    other: str
    """The other network's name."""
    other_layer: str
    metric: str
    trial: int
    value: float


@dataclass(frozen=True)
class Scored:
    """All that a measure says of one network."""

    rows: Sequence[Row] = ()
    speakers: Sequence[SpeakerRow] = ()
    pairs: Sequence[PairRow] = ()


@dataclass(frozen=True)
class Metric:
    """One kind of number that a measure gives, and how the report shows it."""

    name: str
    """As in scores.tsv."""
    label: str
    """As on an axis: "PWCCA, held out"."""
    lower_is_better: bool = False
    control: str = ""
    """The metric with the same score of what knows nothing (shuffled labels, other utterances): drawn as a band."""
    lines: tuple[str, ...] = ()
    """Facts that are drawn as lines: ceiling, chance, majority."""
    control_label: str = "shuffled labels"
    """The band's name."""
    drawn: bool = True
    """False: shown only in a folded table."""
    needs: str = ""
    """What must be there for it to be scored, where that is not always so: the report says it of what is missing."""
    beside: str = ""
    """Drawn in the section of this measure, where that has one, and not in its own: to be compared with its curves."""
    course: bool = False
    """Drawn over the updates of a training too, where checkpoints were scored."""


@dataclass(frozen=True)
class NoSettings:
    """Settings of a measure without any."""


@dataclass(frozen=True)
class Material:
    """One network, and what it is scored on; files are read when they are asked for."""

    layers: pool.Layers
    """Means of segments, and single frames, at each tap (pool_layers)."""
    samples: Path
    """Folder of the segments and frames that all networks share (sample_segments)."""
    workers: Workers
    seed: int = 0
    trials: int = 3
    """(dev, test) pairs of the ten parts that labelled instances are dealt into."""
    others: Mapping[str, Path] = field(default_factory=dict)
    """Folders of pooled layers of other networks, by name: those before it in the study, and the baselines."""
    model: Path | None = None
    """Where the model is, for a measure that runs it; None for a baseline, which its name opens."""
    data: Path | None = None
    """Data directory of the evaluation set."""
    alignments: Path | None = None
    scratch: Path | None = None
    """A folder for large files that are not kept."""

    @cached_property
    def segments(self) -> Samples:
        """(property, sample set) -> segments, in the order of `layers.load(property, sample set, tap)`."""
        return sample.read(self.samples)

    @cached_property
    def frames(self) -> FrameSample:
        """Single frames with their labels, in the order of `layers.frames(tap)`."""
        return frame_sample.read(self.samples)

    @cached_property
    def speakers(self) -> dict[str, str]:
        """Utterance -> evaluation speaker."""
        return sample.read_speakers(self.samples)

    def other(self, name: str) -> pool.Layers:
        """Another network's layers."""
        return pool.read(self.others[name])


class Measure:
    """A score of a network's layers. A subclass is one module in `analysis/measures`, by whose name it is known."""

    title: ClassVar[str]
    """Heads its section of the report."""
    text: ClassVar[tuple[str, ...]] = ()
    """How to read it: one paragraph each."""
    order: ClassVar[int] = 100
    """Its place in the report: lower ones come first."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    facts: ClassVar[Mapping[str, str]] = {}
    """Facts for the table of facts, and their names there."""
    form: ClassVar[int] = 1
    """Version of the scores: raised when a change of the code makes other scores of the same settings."""
    made_by: ClassVar[str] = "stages 8 and 9"
    """What to run again where networks were not scored alike."""
    variant: str = ""
    """Which of the measure's scores of a network these are, where it has several (of recognisers, say)."""
    Settings: ClassVar[type] = NoSettings
    """A frozen dataclass of `options.option` fields: what `conf/analysis` may say of it."""

    @property
    def heading(self) -> str:
        """Its title, and which of its scores these are."""
        return f"{self.title} ({self.variant})" if self.variant else self.title

    def check(self, settings: Any) -> None:
        """Refuse, before anything is scored, what cannot work here (a package that is missing, say): UserError."""

    def leaves_out(self, material: Material) -> str:
        """Why this network is not scored, as a short sentence; "" where it is."""
        return ""

    def inputs(self, material: Material) -> dict[str, Path]:
        """Files and folders that the scores depend on."""
        return {"layers": material.layers.folder, "samples": material.samples}

    def score(self, material: Material, settings: Any) -> Scored:
        """Score all layers. Seeded by `material.seed` alone, and independent of the number of workers."""
        raise NotImplementedError
