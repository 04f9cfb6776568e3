"""The complete configuration of a training run, merged from a study's row and the files it names."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from hubert_iter.config import find, read_yaml
from hubert_iter.errors import UserError, refuse_unknown_keys
from hubert_iter.models import objectives
from hubert_iter.randomness import Draws
from hubert_iter.study import Run


@dataclass(frozen=True)
class TrainConfig:
    """Schedule, batch, optimiser. Values of HuBERT BASE where nothing else is said."""

    batch_seconds: float = 2800.0
    device_seconds: float = 87.5
    max_crop_seconds: float = 15.6
    mask_probability: float = 0.8
    mask_length: int = 10
    learning_rate: float = 5e-4
    warmup: float = 0.08
    betas: tuple[float, float] = (0.9, 0.98)
    epsilon: float = 1e-6
    weight_decay: float = 0.01
    clip: float = 10.0
    precision: str = "auto"
    compile: bool = False
    workers: int = 2
    log_every: int = 50
    valid_every: int = 1000
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2
    milestones: tuple[int, ...] = ()
    max_skipped: int = 10

    @classmethod
    def read(cls, values: dict, where: str) -> "TrainConfig":
        """Build from a configuration section, refusing unknown keys and impossible values."""
        refuse_unknown_keys(values, [field.name for field in fields(cls)], where)
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        config = cls(**values)
        for name in ("batch_seconds", "device_seconds", "max_crop_seconds", "learning_rate", "epsilon"):
            value = getattr(config, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise UserError(f"{where}: {name}: expected a number above 0, found {value!r}")
        for name in ("mask_probability", "warmup"):
            value = getattr(config, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise UserError(f"{where}: {name}: expected a number from 0 to 1, found {value!r}")
        for name in ("mask_length", "log_every", "valid_every", "checkpoint_every", "keep_checkpoints"):
            value = getattr(config, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UserError(f"{where}: {name}: expected a whole number of at least 1, found {value!r}")
        if config.precision not in ("auto", "float32", "bfloat16"):
            raise UserError(f"{where}: precision: expected auto, float32 or bfloat16, found {config.precision!r}")
        return config


@dataclass(frozen=True)
class RunConfig:
    """Everything that shapes a run's result, in the sections that `config.yaml` has."""

    run: dict
    model: dict
    objective: dict
    train: TrainConfig
    classes: int | None = None
    sources: tuple[str, ...] = field(default=())

    @property
    def draws(self) -> Draws:
        """Where its random numbers come from."""
        return Draws(self.run["seed"], self.run["replicate"], self.run["iteration"])

    def as_dict(self) -> dict:
        """For config.yaml: plain values only."""
        train = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self.train).items()}
        return {
            "run": self.run,
            "model": self.model,
            "objective": self.objective,
            "train": train,
            "classes": self.classes,
        }

    def shaping(self) -> dict:
        """The part that shapes the result: without what only says how often to report or how to compute."""
        values = self.as_dict()
        reporting = ("log_every", "valid_every", "checkpoint_every", "keep_checkpoints", "milestones")
        for key in ("workers", "compile", *reporting):
            del values["train"][key]
        return values


def load(run: Run, folders: list[Path]) -> RunConfig:
    """Merge a study's row with the model, objective and training files it names."""
    model_path = find("model", run.model, folders)
    model = read_yaml(model_path)
    facts = {key: value for key, value in asdict(run).items() if value not in ("", 0) or key == "seed"}
    if not run.trained:
        # The random network: only the encoder matters; HuBERT's head with two classes completes it.
        return RunConfig(facts, model, {"name": "hubert"}, TrainConfig(), 2, (str(model_path),))
    objective_path = find("objective", run.objective, folders)
    objective = read_yaml(objective_path)
    needs_labels = objectives.find(objective.get("name"), str(objective_path)).needs_labels
    if needs_labels and not run.targets:
        raise UserError(f"run {run.name}: objective {run.objective} needs targets (mfcc or RUN@TAP) and k")
    if run.targets and not needs_labels:
        raise UserError(f"run {run.name}: objective {run.objective} makes its own targets: remove targets and k")
    train_path = find("train", run.train, folders)
    train = TrainConfig.read(read_yaml(train_path), str(train_path))
    sources = (str(model_path), str(objective_path), str(train_path))
    return RunConfig(facts, model, objective, train, run.k or None, sources)
