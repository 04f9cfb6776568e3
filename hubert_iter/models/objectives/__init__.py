"""The objectives, one module or folder each.

An objective is known by its module's name: a new one is a module here, with one subclass of `ObjectiveSettings` and
what its `build` returns. Nothing else lists them. Those here are folders whose loss, and with it torch, is loaded only
to build one: then a study that names them is checked in a moment.
"""

import sys
from collections.abc import Mapping
from typing import Any

from hubert_iter import options, plugins
from hubert_iter.errors import UserError
from hubert_iter.models.settings import ObjectiveSettings


def names() -> list[str]:
    """All objectives' names."""
    return plugins.names(sys.modules[__name__])


def find(name: str, where: str) -> type[ObjectiveSettings]:
    """The options' class of the objective of this name; `where` starts the message of an error."""
    return plugins.find(sys.modules[__name__], name, ObjectiveSettings, "objective", where)


def read(section: Mapping[str, Any], where: str) -> ObjectiveSettings:
    """Read a configuration's section `objective`: the objective's name, and options that differ from its defaults."""
    values = dict(section)
    name = values.pop("name", None)
    if not isinstance(name, str):
        raise UserError(f"{where}: expected 'base: NAME', the objective that this sets values of: {', '.join(names())}")
    return options.read(find(name, where), values, f"{where}: objective {name}")
