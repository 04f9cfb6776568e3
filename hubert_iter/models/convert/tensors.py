"""Read tensors from checkpoint files without executing anything that is pickled in them.

PyTorch's restricted unpickler builds tensors and plain containers alone. fairseq's checkpoints also name classes of
their own (dictionaries, configurations); in the place of each known harmless one an inert record is built, which keeps
the attributes and runs nothing. A file that names anything else is refused.
"""

import pickle
import pickletools
from pathlib import Path

import torch

from hubert_iter.errors import UserError, summarise

# Roots of modules whose classes may stand in a checkpoint for bookkeeping; they are never imported.
_BOOKKEEPING = ("fairseq", "omegaconf", "argparse", "typing", "enum", "hydra")
_PLAIN_TYPES = {f"{module}.{name}" for module in ("builtins", "__builtin__")
                for name in ("dict", "list", "tuple", "set", "str", "int", "float", "bool", "object")}  # fmt: skip
_WAY_OUT = (
    "If you trust the file, open it in its own library and save only its state dict, or convert it to the Hugging Face "
    "format"
)


class Inert:
    """Stands for an object of a class that is not loaded: its attributes without its behaviour."""

    def __init__(self, *values):  # noqa: D107
        self.values = values

    def __setstate__(self, state) -> None:  # noqa: D105
        if isinstance(state, tuple) and len(state) == 2:
            state = {**(state[0] or {}), **(state[1] or {})}
        if isinstance(state, dict):
            self.__dict__.update({str(key): value for key, value in state.items()})


def read(path: Path) -> dict:
    """What a .pt, .pth, .bin or .safetensors file holds; only tensors, plain containers and Inert records."""
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    stubs = _stubs(path)
    try:
        with torch.serialization.safe_globals(stubs):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, TypeError, ValueError) as error:
        reason = str(error).split("\n")[0] if "weights_only" not in str(error) else _essence(str(error))
        raise UserError(
            f"{path}: cannot be loaded as tensors alone ({reason}). The file is damaged, or it needs to execute code "
            f"that is pickled in it, which this program never does. {_WAY_OUT}"
        ) from None
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: expected a state dict (names and tensors), found {type(content).__name__}. "
            "Save model.state_dict() instead of the model"
        )
    return content


def _read_safetensors(path: Path) -> dict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read ({error}). The file is missing or damaged: get it again") from None


def _stubs(path: Path) -> list:
    """An inert class for each foreign class the file names; UserError where one is not known to be harmless."""
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except ValueError:
        named = [name for name in _names_in_old_format(path) if _is_bookkeeping(name)]
    except (RuntimeError, pickle.UnpicklingError, EOFError):
        return []  # damaged: loading says so
    harmful = [name for name in named if not _is_bookkeeping(name)]
    if harmful:
        raise UserError(
            f"{path}: besides tensors the file holds pickled objects of {summarise(sorted(harmful))}. Loading them "
            f"would execute code from the file, which this program never does. {_WAY_OUT}"
        )
    return [(type("Inert", (Inert,), {}), name) for name in named]


def _is_bookkeeping(name: str) -> bool:
    return name.split(".")[0] in _BOOKKEEPING or name in _PLAIN_TYPES


def _names_in_old_format(path: Path) -> set[str]:
    """Classes named in a file from before PyTorch 1.6: three pickles about the format, then the content's."""
    named = set()
    try:
        with open(path, "rb") as file:
            for _ in range(4):
                named |= {
                    value.replace(" ", ".") for code, value, _ in pickletools.genops(file) if code.name == "GLOBAL"
                }
    except (ValueError, IndexError):
        return set()  # damaged: loading says so
    return named


def _essence(message: str) -> str:
    """PyTorch's own advice is to allow the execution: leave it out."""
    lines = [line.strip() for line in message.split("\n") if line.strip()]
    return next((line for line in lines if "Unsupported" in line or "blocked" in line), "it holds more than tensors")


def plain(value):
    """Configuration values without their containers: Inert records of argparse and omegaconf become dicts."""
    if isinstance(value, Inert):
        inner = vars(value)
        for key in ("_content", "_val"):
            if key in inner:
                return plain(inner[key])
        return {key: plain(item) for key, item in inner.items() if key != "values"}
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
