"""The table of an analysis, conf/analysis/*.yaml: what is drawn of the evaluation set, and what scores the layers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubert_iter import config, options
from hubert_iter.analysis import measures
from hubert_iter.analysis.sample import Limits
from hubert_iter.errors import UserError, refuse_unknown_keys, shown
from hubert_iter.options import option

SECTIONS = ("segments", "measures")


@dataclass(frozen=True)
class Splits:
    """Settings that all measures share."""

    seed: int = option(0, "seed of all draws and splits", least=0, most=2**63 - 1)
    trials: int = option(3, "(dev, test) pairs of the ten parts that instances are dealt into", least=1, most=5)


@dataclass(frozen=True)
class Analysis:
    """A table that has been read and checked."""

    splits: Splits
    segments: Limits
    measures: dict[str, Any]
    """Name -> settings, in the order of the report."""


def read(name: str, folders: list[Path]) -> Analysis:
    """Read the table of this name, or a file; UserError names the file and the key."""
    values = dict(config.load("analysis", name, folders))
    where = f"analysis {name}"
    refuse_unknown_keys(values, (*SECTIONS, *options.names(Splits)), where)
    sections = {key: _mapping(values.pop(key, None), f"{where}: {key}") for key in SECTIONS}
    if not sections["measures"]:
        raise UserError(f"{where}: expected measures: one of {', '.join(measures.names())} at least")
    found = {each: measures.find(each, f"{where}: measures") for each in sections["measures"]}
    settings = {}
    for each in sorted(found, key=lambda each: found[each].order):
        given = _mapping(sections["measures"][each], f"{where}: {each}")
        settings[each] = options.read(found[each].Settings, given, f"{where}: {each}")
    return Analysis(
        options.read(Splits, values, where), options.read(Limits, sections["segments"], f"{where}: segments"), settings
    )


def check(name: str, folders: list[Path]) -> None:
    """Refuse, before anything is trained, a table with a fault, or with a measure that cannot work here."""
    for each, settings in read(name, folders).measures.items():
        measures.find(each, name).check(settings)


def _mapping(value: Any, where: str) -> dict:
    """A section; one without any key counts as empty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected keys and values, found {shown(value)}")
    return value
