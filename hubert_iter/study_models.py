"""Networks from elsewhere in a study: rows of their own, whether the table says so or names a model in passing.

`targets: {model: X, tap: 6}` and `init: {model: X}` are short for a row `{pretrained: X}` and its name. Two mentions of
one model are one row.
"""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from hubert_iter.errors import UserError, refuse_unknown_keys, shown


def with_rows_of_models(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The table's rows, and before them those of models that rows name in passing."""
    models = {
        str(row["pretrained"]): str(name)
        for name, row in table.items()
        if isinstance(row, dict) and isinstance(row.get("pretrained"), str)
    }
    found: dict[str, Any] = {}
    for name, row in table.items():
        if isinstance(row, dict):
            row = _without_models(row, models, table, f"{where}: run {name}")
        found[name] = row
    added = {name: {"pretrained": model} for model, name in models.items() if name not in table}
    return added | found


def _without_models(row: dict, models: dict[str, str], table: Mapping[str, Any], where: str) -> dict:
    row = dict(row)
    if isinstance(row.get("targets"), dict):
        given = _keys(row["targets"], ("model", "tap"), f"{where}: targets")
        row["targets"] = f"{_name_of(given['model'], models, table)}@{given['tap']}"
    if isinstance(row.get("init"), dict):
        given = _keys(row["init"], ("model",), f"{where}: init")
        row["init"] = _name_of(given["model"], models, table)
    return row


def _keys(given: dict, keys: tuple[str, ...], where: str) -> dict[str, str]:
    refuse_unknown_keys(given, keys, where)
    if set(given) != set(keys):
        raise UserError(f"{where}: expected {{{', '.join(f'{key}: ...' for key in keys)}}}, found {shown(given)}")
    return {key: str(value) for key, value in given.items()}


def fit_for_folder(text: str) -> str:
    """The name of a file or folder without what a folder of ours may not bear."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "model"


def _name_of(model: str, models: dict[str, str], table: Mapping[str, Any]) -> str:
    """The row's name: that of the file or folder, made fit for a folder's name."""
    if model not in models:
        stem = fit_for_folder(PurePath(model.partition(":")[2] or model).name)
        taken = {*map(str, table), *models.values()}
        numbered = (f"{stem}_{number}" for number in range(2, len(taken) + 3))
        models[model] = stem if stem not in taken else next(name for name in numbered if name not in taken)
    return models[model]
