"""One run of a study from its inputs to a finished model: check, resume or begin, train, write the model."""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from hubert_iter import lock, provenance
from hubert_iter.config import write_yaml
from hubert_iter.data import datadir
from hubert_iter.errors import UserError, summarise
from hubert_iter.feats.adopt import adopt
from hubert_iter.models import store
from hubert_iter.models.pretrainer import Pretrainer, build
from hubert_iter.provenance import Product
from hubert_iter.train import checks, memory
from hubert_iter.train.config import RunConfig
from hubert_iter.train.distributed import World
from hubert_iter.train.gate import FILE as GATE_FILE
from hubert_iter.train.gate import Gated, stopped_product
from hubert_iter.train.inputs import Inputs
from hubert_iter.train.legs import Before
from hubert_iter.train.loop import Material, Trainer
from hubert_iter.units import labels as units

log = logging.getLogger(__name__)
ORIGIN = "origin.json"
"""Settings and inputs of an unfinished run: it is resumed only on the same."""
LOG = "train.log"
"""The log of a training, over all calls that it took."""


def write_random(config: RunConfig, product: Product, folder: Path) -> None:
    """The untrained network, the baseline of the analysis."""
    model = _fresh(config)
    with product.writing() as work:
        store.write(work, model, {**config.as_dict(), "updates": 0})
    write_yaml(folder / "config.yaml", config.as_dict())


def train(
    config: RunConfig, inputs: Inputs, product: Product, folder: Path, world: World, gate: bool = False, wandb: str = ""
) -> None:
    """Train into `folder`, going on where an interrupted call stopped; the result is the product, `folder`/model.

    With `gate` a run that has no prospect of learning to use context at half of its updates ends with the model as it
    is then. `wandb` names a project of W&B that metrics are sent to.
    """
    training, held_out = _materials(config, inputs)
    before = None
    if inputs.continues:
        before = Before(inputs.continues, config, inputs.old_labels and (inputs.old_labels, inputs.labels))
    if world.first:
        _prepare(folder, product, config)
    world.wait()
    with _logging(folder / LOG) if world.first else nullcontext():
        model = _fresh(config)
        if inputs.init_model:
            adopt(model.encoder, inputs.init_model)
            log.info("warm start: weights of the encoder from %s; head and schedule begin anew", inputs.init_model)
        if world.device.type == "cpu":
            memory.keep_freed()
        updates = config.until
        try:
            Trainer(config, model, training, held_out, world).run(folder, before, gate, wandb)
        except Gated as gated:
            log.warning("%s", gated)
            updates, product = gated.update, stopped_product(product, gated.update)
            if world.first:
                (folder / GATE_FILE).write_text(f"{gated}\n")
    if world.first:
        with product.writing() as work:
            store.write(work, model, {**config.as_dict(), "updates": updates})
    world.wait()


def _fresh(config: RunConfig) -> Pretrainer:
    """The model with initial weights."""
    torch.manual_seed(config.draws.weights())
    where = f"run {config.run['name']}"
    try:
        return build(config.model, config.objective, config.classes, where)
    except (RuntimeError, MemoryError) as error:
        if "memory" not in str(error) and not isinstance(error, MemoryError):
            raise
        raise UserError(
            f"{where}: the model does not fit into this machine's memory. Choose a smaller one (model: of the study)"
        ) from None


@contextmanager
def _logging(path: Path) -> Iterator[None]:
    """Also append to a file what is logged, and the error that ended the training, if any."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    except BaseException as error:
        ended = {"levelname": "ERROR", "msg": f"ended by {type(error).__name__}: {error}"}
        handler.emit(logging.makeLogRecord(ended))
        raise
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _materials(config: RunConfig, inputs: Inputs) -> tuple[Material, Material]:
    """Read data and labels and refuse any mixture."""
    data, valid_data = datadir.read(inputs.data), datadir.read(inputs.valid_data)
    shared = sorted(utterance.id for utterance in data.utterances if utterance.id in valid_data)
    if shared:
        raise UserError(
            f"{inputs.valid_data}: utterances that are also in {inputs.data}: {summarise(shared)}. "
            "Held-out utterances must not be trained on: prepare the sets again (stage 1)"
        )
    if config.classes is None:
        return Material(data, None), Material(valid_data, None)
    if inputs.labels is None or inputs.valid_labels is None:
        raise UserError(
            f"run {config.run['name']}: objective {config.run['objective']} needs --labels and --valid_labels"
        )
    labels, valid_labels = units.read_labels(inputs.labels), units.read_labels(inputs.valid_labels)
    for each, of in ((labels, data), (valid_labels, valid_data)):
        units.verify(each, of, k=config.classes)
        units.verify_targets(each, config.run, inputs.teacher_model, inputs.teacher_tap)
    units.verify_same_units(labels, valid_labels)
    checks.look_at_labels(labels.histogram(), str(inputs.labels))
    return Material(data, labels), Material(valid_data, valid_labels)


def _prepare(folder: Path, product: Product, config: RunConfig) -> None:
    """Make the run's folder, or take an unfinished one that was begun with the same settings on the same inputs."""
    origin = {
        "settings": json.loads(json.dumps(config.shaping())),
        "inputs": {name: provenance.identity(path) for name, path in product.inputs.items()},
    }
    path = folder / ORIGIN
    if path.is_file():
        before = _read_origin(path)
        if before is None:
            _set_aside(folder, f"{ORIGIN} is damaged")
        elif before != origin:
            _set_aside(folder, _difference(before, origin))
    elif (folder / "checkpoints").exists():
        _set_aside(folder, "it does not say what it was trained on")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GATE_FILE).unlink(missing_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(origin, indent=1) + "\n")
    temporary.replace(path)
    write_yaml(folder / "config.yaml", config.as_dict())


def _read_origin(path: Path) -> dict | None:
    """What was written there; None where that cannot be read."""
    try:
        origin = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    sound = isinstance(origin, dict) and all(isinstance(origin.get(name), dict) for name in ("settings", "inputs"))
    return origin if sound else None


def _difference(before: dict, now: dict) -> str:
    for name, value in now["inputs"].items():
        if before["inputs"].get(name) != value:
            return f"{name} changed"
    for section, values in now["settings"].items():
        old = before["settings"].get(section)
        if old != values:
            if isinstance(values, dict) and isinstance(old, dict):
                keys = sorted(key for key in values.keys() | old.keys() if values.get(key) != old.get(key))
                return ", ".join(f"{section}.{key} changed from {old.get(key)} to {values.get(key)}" for key in keys)
            return f"{section} changed from {old} to {values}"
    return "inputs removed"


def _set_aside(folder: Path, why: str) -> None:
    """Move an earlier run that was trained otherwise to `old` beside the runs; nothing is deleted."""
    number = 1
    while (old := folder.parent / "old" / f"{folder.name}.{number}").exists():
        number += 1
    old.mkdir(parents=True)
    for path in folder.iterdir():
        if path.suffix != lock.SUFFIX:
            shutil.move(path, old)
    log.warning("%s was trained otherwise (%s): moved to %s", folder, why, old)
