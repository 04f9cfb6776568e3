"""Find and read configuration files: a recipe's own conf folder first, then the shared one."""

from pathlib import Path

import yaml

from hubert_iter.errors import UserError, nearest


def read_yaml(path: str | Path) -> dict:
    """Read a mapping from a YAML file; UserError with file and line when it is none."""
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected 'key: value' lines, found {type(values).__name__}")
    return values


def write_yaml(path: Path, values: dict) -> None:
    """Write a mapping, keys in their order."""
    path.write_text(yaml.safe_dump(values, sort_keys=False))


def find(kind: str, name: str, folders: list[Path]) -> Path:
    """Path of `<folder>/<kind>/<name>.yaml` in the first folder that has it."""
    candidates = [folder / kind / f"{name}.yaml" for folder in folders]
    for path in candidates:
        if path.is_file():
            return path
    known = sorted(path.stem for folder in folders for path in (folder / kind).glob("*.yaml"))
    looked = ", ".join(str(path) for path in candidates)
    raise UserError(f"no {kind} configuration '{name}'{nearest(name, known)}. Looked for {looked}")
