"""Models on disk: a folder with `model.safetensors` (weights) and `model.yaml` (what they are weights of)."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from hubert_iter import provenance
from hubert_iter.config import read_yaml, write_yaml
from hubert_iter.errors import UserError
from hubert_iter.models.pretrainer import Pretrainer, build
from hubert_iter.models.settings import DESCRIPTION

WEIGHTS = "model.safetensors"
MANIFEST = "manifest.json"
"""In a checkpoint, which is a model as well: size and hash of its files."""


def write(folder: Path, model: nn.Module, description: dict) -> None:
    """Write weights and description; `description` has at least the sections model, objective and classes."""
    write_weights(folder, model.state_dict(), description)


def write_weights(folder: Path, weights: Mapping[str, Tensor], description: dict) -> None:
    """The same of the weights of a model."""
    # Not save_file, which leaves a file that only its owner may read.
    (folder / WEIGHTS).write_bytes(save({name: value.contiguous() for name, value in weights.items()}))
    write_yaml(folder / DESCRIPTION, description)


def read(folder: str | Path) -> Pretrainer:
    """Read a model, in evaluation mode, on the CPU. UserError for one that is not what was written."""
    folder = Path(folder)
    if (folder / MANIFEST).is_file() and (why := damage(folder)):
        raise UserError(f"{folder}: this checkpoint is damaged ({why}). Move it away, and the stages leave it out")
    provenance.verify(folder / WEIGHTS)
    return load(folder)


def load(folder: Path) -> Pretrainer:
    """As `read`, of a folder whose content was checked already."""
    description = describe(folder)
    model = build(description["model"], description["objective"], description["classes"], str(folder / DESCRIPTION))
    load_weights(model, folder)
    return model.eval()


def describe(folder: str | Path) -> dict:
    """The model's description."""
    path = Path(folder) / DESCRIPTION
    if not path.is_file():
        raise UserError(f"{path}: no such file, so {folder} holds no model. Train it (stage 7) first")
    description = read_yaml(path)
    if not {"model", "objective", "classes"} <= description.keys():
        found = ", ".join(map(str, description))
        raise UserError(f"{path}: expected the sections model, objective and classes, found {found}")
    made, objective, classes = (description[name] for name in ("model", "objective", "classes"))
    if not isinstance(made, dict) or not isinstance(objective, dict | None) or not isinstance(classes, int | None):
        raise UserError(f"{path}: expected options as model and objective and a number as classes: make it again")
    return description


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load the folder's weights into a model of the same shape."""
    path = Path(folder) / WEIGHTS
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read ({error}). The file is missing or damaged: make it again") from None
    except RuntimeError as error:
        raise UserError(f"{path}: does not fit the model that {DESCRIPTION} describes: {error}") from None


def damage(checkpoint: Path) -> str:
    """What is wrong with a checkpoint's files; "" where they are as they were written."""
    path = checkpoint / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        files = {name: (entry["bytes"], entry["sha256"]) for name, entry in manifest["files"].items()}
        sound = isinstance(manifest["settings"], str) and all(map(provenance.may_be_file, files))
    except FileNotFoundError:
        return f"no {MANIFEST}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        return f"{MANIFEST} is not what was written"
    for name, (size, digest) in files.items():
        file = checkpoint / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name}: expected {size} bytes, found {file.stat().st_size}"
        if provenance.file_hash(file) != digest:
            return f"{name}: its content has changed"
    return ""
