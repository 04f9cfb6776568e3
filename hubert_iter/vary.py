"""Change a study's values for one call, under another name, so that its results never mix with the original's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hubert_iter import options
from hubert_iter.errors import UserError

LONGEST = 120
"""Most characters of a study's name: a folder bears it, and file systems limit the length of names."""


def read_changes(text: str, where: str) -> dict[str, Any]:
    """ "learning_rate=1e-3 model.layers=4 updates=100" -> values by dotted name, in the names' order.

    A name without a section belongs to `train`, except `updates`, which is the study's own.
    """
    given = options.assignments(text, where)
    full = {name if "." in name or name == "updates" else f"train.{name}": _as_number(given[name]) for name in given}
    return dict(sorted(full.items()))


def vary(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The study's values with `changes` in place of what the study or its rows say."""
    values = {**values, "set": {**values.get("set", {}), **changes}}
    rows = {name: dict(row) for name, row in values["runs"].items()}
    for row in rows.values():
        if "set" in row:
            row["set"] = {key: value for key, value in row["set"].items() if key not in changes}
    if "updates" in changes:
        values["updates"] = values["set"].pop("updates")
        for row in rows.values():
            row.pop("updates", None)
    return {**values, "runs": rows}


def name_of(study: str, changes: Mapping[str, Any], where: str) -> str:
    """ "mini" -> "mini+learning_rate=0.001+model.layers=4": the same for the same values, however they are written."""
    name = "+".join([study, *(f"{key.removeprefix('train.')}={_spell(value)}" for key, value in changes.items())])
    if len(name) > LONGEST:
        raise UserError(f"{where}: too many values for the name of a folder: write them into a study of their own")
    return name


def write(path: Path, values: Mapping[str, Any], comment: str) -> None:
    """Write the study, complete, in one go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(f"# {comment}\n{yaml.safe_dump(values, sort_keys=False)}")
    temporary.replace(path)


def _as_number(value: Any) -> Any:
    """Text such as 1e-3 as a number: YAML does not read it as one, since it has no point."""
    if isinstance(value, list):
        return [_as_number(item) for item in value]
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _spell(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_spell, value))
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
