"""The objectives, one module or folder each.

An objective is known by its module's name: a new one is a module here, with one subclass of `ObjectiveSettings` and
what its `build` returns. Nothing else lists them. Those here are folders whose loss, and with it torch, is loaded only
to build one: then a study that names them is checked in a moment.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from hubert_iter import options
from hubert_iter.errors import UserError, nearest
from hubert_iter.models.settings import ObjectiveSettings


def names() -> list[str]:
    """All objectives' names."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str, where: str) -> type[ObjectiveSettings]:
    """The options' class of the objective of this name; `where` starts the message of an error."""
    known = names()
    if name not in known:
        raise UserError(f"{where}: unknown objective '{name}'{nearest(str(name), known)}. Known: {', '.join(known)}")
    module = importlib.import_module(f"{__name__}.{name}")
    kinds = [kind for kind in vars(module).values() if _is_objective(kind) and kind.__module__ == module.__name__]
    if len(kinds) != 1:
        raise UserError(f"{module.__file__}: expected one subclass of ObjectiveSettings, found {len(kinds)}")
    return kinds[0]


def read(section: Mapping[str, Any], where: str) -> ObjectiveSettings:
    """Read a configuration's section `objective`: the objective's name, and options that differ from its defaults."""
    values = dict(section)
    name = values.pop("name", None)
    if name is None:
        raise UserError(f"{where}: expected 'base: NAME', the objective that this sets values of: {', '.join(names())}")
    return options.read(find(name, where), values, f"{where}: objective {name}")


def _is_objective(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, ObjectiveSettings)
