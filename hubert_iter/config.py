"""Find and read configuration files: a recipe's own conf folder first, then the shared one.

A file may say `base: NAME` and then holds only what differs from that file of the same kind, or `base: [NAME, NAME]`
for several, of which later ones win. The base may have the file's own name: it is then looked for in the later folders,
so that a recipe can change one value of a shared file.
Names that are built in, such as those of objectives, need no file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from hubert_iter import strict_yaml
from hubert_iter.errors import UserError, nearest, shown
from hubert_iter.options import is_name

SHARED = Path(__file__).resolve().parents[1] / "conf"
"""The project's own configurations."""


def read_yaml(path: str | Path) -> dict:
    """Read a mapping from a YAML file, an empty one from comments alone; UserError with file and line otherwise."""
    path = Path(path)
    try:
        values = strict_yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: expected a configuration file, found a folder") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: expected text in UTF-8, found byte {error.object[error.start]:#x} at {error.start}"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected 'key: value' lines, found {type(values).__name__}")
    return values


def load(kind: str, name: str, folders: Sequence[Path], built_in: Mapping[str, dict] | None = None) -> dict:
    """Values of `<folder>/<kind>/<name>.yaml` from the first folder that has it, on top of those of its `base`.

    `name` may also be a file. Mappings are merged key by key, anything else is replaced. A name of `built_in` needs no
    file. UserError where files build on each other in a circle.
    """
    if name.endswith(".yaml"):
        return load_file(Path(name), kind, folders)
    return _load(_Search(kind, folders, built_in or {}), name, ())


def load_file(path: Path, kind: str, folders: Sequence[Path]) -> dict:
    """Values of one file, on top of those of its `base`, which is looked up as in `load`."""
    return _on_base(_Search(kind, folders), Path(path), (Path(path),))


@dataclass(frozen=True)
class _Search:
    """Where configurations of a kind are looked for."""

    kind: str
    folders: Sequence[Path]
    built_in: Mapping[str, dict] = field(default_factory=dict)


def _load(search: _Search, name: str, above: tuple[Path, ...]) -> dict:
    candidates = [path for path in _paths(search.kind, name, search.folders) if path not in above]
    if name in search.built_in and not any(path.is_file() for path in candidates):
        return dict(search.built_in[name])
    path = find(search.kind, name, search.folders, above, search.built_in)
    return _on_base(search, path, (*above, path))


def _on_base(search: _Search, path: Path, above: tuple[Path, ...]) -> dict:
    values = read_yaml(path)
    below: dict = {}
    for base in _bases(search.kind, path, values.pop("base", [])):
        below = merge(below, _load(search, base, above))
    return merge(below, values)


def _bases(kind: str, path: Path, given: object) -> list[str]:
    bases = given if isinstance(given, list) else [given]
    for base in bases:
        if not isinstance(base, str) or not is_name(base):
            raise UserError(f"{path}: base: expected the name of another {kind} configuration, found {shown(base)}")
    return bases


def root(path: Path, kind: str, folders: Sequence[Path]) -> Path:
    """The file that has no base, at the end of the chain of (first) bases that `path` begins."""
    chain = [path]
    while bases := _bases(kind, chain[-1], read_yaml(chain[-1]).get("base", [])):
        chain.append(find(kind, bases[0], folders, chain))
    return chain[-1]


def merge(base: dict, values: dict) -> dict:
    """`values` on top of `base`, mappings key by key."""
    merged = dict(base)
    for key, value in values.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = merge(base[key], value) if both else value
    return merged


def write_yaml(path: Path, values: dict) -> None:
    """Write a mapping, keys in their order."""
    path.write_text(yaml.safe_dump(values, sort_keys=False))


def find(kind: str, name: str, folders: Sequence[Path], but: Sequence[Path] = (), built_in: Iterable[str] = ()) -> Path:
    """Path of `<folder>/<kind>/<name>.yaml` in the first folder that has it, leaving out the files `but`."""
    candidates = _paths(kind, name, folders)
    for path in candidates:
        if path.is_file() and path not in but:
            return path
    if any(path in but for path in candidates):
        raise UserError(f"{but[-1]}: base: {name}: files build on each other in a circle: {', '.join(map(str, but))}")
    known = sorted({path.stem for folder in folders for path in (folder / kind).glob("*.yaml")} | set(built_in))
    looked = ", ".join(str(path) for path in candidates)
    asked = f"{but[-1]}: base: " if but else ""
    raise UserError(f"{asked}no {kind} configuration '{name}'{nearest(name, known)}. Looked for {looked}")


def source(kind: str, name: str, folders: Iterable[Path]) -> str:
    """The file that `load` reads, for messages."""
    return next((str(path) for path in _paths(kind, name, folders) if path.is_file()), f"{kind} {name}")


def _paths(kind: str, name: str, folders: Iterable[Path]) -> list[Path]:
    return [folder / kind / f"{name}.yaml" for folder in folders]
