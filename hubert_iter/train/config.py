"""The complete configuration of a training run: a study's row, the files it names, and what the row sets itself."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hubert_iter import config, options, refresh
from hubert_iter.errors import UserError
from hubert_iter.frames import FRAME_RATE
from hubert_iter.models import objectives
from hubert_iter.models.settings import EncoderConfig
from hubert_iter.options import option
from hubert_iter.randomness import Draws
from hubert_iter.runs import Run

SHORTEST_CROP = 0.1
"""Seconds."""


@dataclass(frozen=True)
class TrainConfig:
    """Schedule, batch, masking, optimiser. The defaults are HuBERT BASE's (fairseq's hubert_base_librispeech)."""

    batch_seconds: float = option(2800.0, "audio per update, over all processes", above=0, most=10**6)
    device_seconds: float = option(87.5, "audio that one process holds at a time", above=0, most=10**5)
    max_crop_seconds: float = option(15.6, "longer utterances are cropped at random", least=SHORTEST_CROP, most=3600)
    speakers_per_sequence: int = option(
        1, "2 or more: a sequence is made of crops of so many different speakers", later=True, least=1, most=100
    )
    crops_per_sequence: int = option(
        0, "crops that a sequence is made of; 0: as many as speakers. With one speaker the control of mixed sequences: "
        "as many crops of the same lengths", later=True, least=0, most=100,
    )  # fmt: skip
    mask_probability: float = option(
        0.8, "of a frame to lie in a masked span, if spans did not overlap", least=0, most=1
    )
    mask_length: int = option(10, "frames per span", least=1, most=10**5)
    learning_rate: float = option(5e-4, "at its peak", above=0, most=1)
    warmup: float = option(0.08, "fraction of updates spent in linear warm-up; then linear to zero", least=0, most=1)
    betas: tuple[float, float] = option((0.9, 0.98), "of Adam", least=0, below=1)
    epsilon: float = option(1e-6, "of Adam", least=1e-15, most=1)
    weight_decay: float = option(0.01, "of AdamW", least=0, most=1)
    clip: float = option(10.0, "largest gradient norm; 0 for none", least=0, most=10**9)
    precision: str = option(
        "auto",
        "bfloat16 is for GPUs and CPUs that multiply it fast (AVX512_BF16, AMX), as auto finds out",
        choices=("auto", "float32", "bfloat16"),
    )
    compile: bool = option(
        False, "fuse operations with torch.compile (a minute at the start; needs a C++ compiler)", shapes=False
    )
    workers: int = option(2, "processes that read audio; 0: the trainer itself", shapes=False, least=0, most=256)
    log_every: int = option(50, "updates between two rows of metrics", shapes=False, least=1, most=10**9)
    valid_every: int = option(1000, "updates between two validations", shapes=False, least=1, most=10**9)
    checkpoint_every: int = option(1000, "updates between two checkpoints", shapes=False, least=1, most=10**9)
    keep_checkpoints: int = option(2, "how many are kept besides the milestones", shapes=False, least=1, most=10**6)
    milestones: tuple[int, ...] = option(
        (), "updates whose checkpoints are kept for good", shapes=False, least=1, most=10**9
    )
    max_skipped: int = option(
        10, "updates in a row with a loss that is not finite before the run ends", least=1, most=10**9
    )

    def __post_init__(self):
        if self.speakers_per_sequence > 1 and self.crops_per_sequence not in (0, self.speakers_per_sequence):
            raise UserError(
                f"crops_per_sequence: expected {self.speakers_per_sequence}, one of each speaker as "
                f"speakers_per_sequence says, or 0 for the same; found {self.crops_per_sequence}"
            )
        if self.device_seconds < self.max_crop_seconds:
            raise UserError(
                f"device_seconds: expected at least max_crop_seconds, {self.max_crop_seconds:g}, so that a crop fits, "
                f"found {self.device_seconds:g}"
            )
        if self.mask_length >= self.max_crop_seconds * FRAME_RATE:
            raise UserError(
                f"mask_length: expected less than the frames of max_crop_seconds, "
                f"{self.max_crop_seconds * FRAME_RATE:g}, found {self.mask_length}: all would be masked"
            )
        if self.crops * SHORTEST_CROP > self.max_crop_seconds:
            raise UserError(
                f"crops of a sequence: expected at most {self.max_crop_seconds / SHORTEST_CROP:g}, each of "
                f"{SHORTEST_CROP} s in max_crop_seconds, {self.max_crop_seconds:g}, found {self.crops}"
            )

    @property
    def crops(self) -> int:
        """Of which a sequence is made."""
        return self.crops_per_sequence or self.speakers_per_sequence


@dataclass(frozen=True)
class RunConfig:
    """Everything that shapes a run's result, in the sections that `config.yaml` has; all values are in them."""

    run: dict
    model: dict
    objective: dict | None
    """None for a network that is not trained; so is `train`."""
    train: TrainConfig | None
    classes: int | None = None

    @property
    def draws(self) -> Draws:
        """Where its random numbers come from."""
        return Draws(self.run["seed"], self.run["replicate"], self.run["iteration"], self.run.get("leg", 0))

    @property
    def until(self) -> int:
        """The last update: the run's, or its leg's. The schedule is over all updates of the run."""
        return self.run.get("until", self.run["updates"])

    def as_dict(self) -> dict:
        """For config.yaml: plain values only."""
        return {
            "run": self.run,
            "model": self.model,
            "objective": self.objective,
            "train": self.train and options.values(self.train),
            "classes": self.classes,
        }

    def shaping(self) -> dict:
        """The part that shapes the result: without what only says how often to report or how to compute."""
        model = options.shaping(options.read(EncoderConfig, self.model, "model"))
        silent = {f"train.{name}" for name in options.silent(TrainConfig)}
        kept = {key: value for key, value in self.run.get("set", {}).items() if key not in silent}
        run = {key: value for key, value in self.run.items() if key != "set"} | ({"set": kept} if kept else {})
        return {**self.as_dict(), "run": run, "model": model, "train": self.train and options.shaping(self.train)}


def load(run: Run, folders: list[Path]) -> RunConfig:
    """Merge a study's row with the model, objective and training files it names."""
    model = _read("model", partial(options.read, EncoderConfig), run, folders)
    if not run.trained:
        return RunConfig(_facts(run, {"model": model}), options.values(model), None, None)
    # An objective needs no file: one holds values that differ from its own.
    objective = _read("objective", objectives.read, run, folders, {name: {"name": name} for name in objectives.names()})
    if objective.needs_labels and not run.targets:
        raise UserError(f"run {run.name}: objective {run.objective} needs targets (mfcc or RUN@TAP) and k")
    if run.targets and not objective.needs_labels:
        raise UserError(f"run {run.name}: objective {run.objective} makes its own targets: remove targets and k")
    try:
        objective.check(model)
    except UserError as error:
        raise UserError(f"run {run.name}: {error}") from None
    if run.refresh.get("head") == refresh.MATCH and not objective.per_label:
        raise UserError(f"run {run.name}: refresh: head: match: {run.objective} has no embeddings of labels")
    train = _read("train", partial(options.read, TrainConfig), run, folders)
    facts = _facts(run, {"model": model, "objective": objective, "train": train})
    return RunConfig(facts, options.values(model), objective.section(), train, run.k or None)


def _read[T](
    section: str,
    read: Callable[[dict, str], T],
    run: Run,
    folders: list[Path],
    built_in: Mapping[str, dict] | None = None,
) -> T:
    """Options of the file that the row names, and on top of them what the row sets itself."""
    name, prefix = getattr(run, section), f"{section}."
    values = config.load(section, name, folders, built_in or {})
    own = {key.removeprefix(prefix): value for key, value in run.set.items() if key.startswith(prefix)}
    made = read(values, config.source(section, name, folders))
    return options.change(made, own, f"run {run.name}: set: {section}")


ALWAYS = ("objective", "seed", "replicate", "iteration")
"""What is recorded of a row even where it is what a row has that does not say it."""


def _facts(run: Run, parts: dict[str, Any]) -> dict[str, Any]:
    """What the row says, without what it leaves out; what it sets is written as it was understood: 0.001 for 1e-3."""
    values, unsaid = asdict(run), asdict(Run())
    for key in values["set"]:
        section, _, name = key.partition(".")
        values["set"][key] = options.values(parts[section])[name]
    return {key: value for key, value in values.items() if key in ALWAYS or value != unsaid[key]}
