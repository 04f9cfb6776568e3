"""The objectives, one module each.

An objective is known by its module's name: a new one is a module here, with one subclass of `Objective`, and its values
in conf/objective. Nothing else lists them.
"""

import importlib
import pkgutil

from hubert_iter.errors import UserError, nearest
from hubert_iter.models.objective import Objective


def names() -> list[str]:
    """All objectives' names."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str, where: str) -> type[Objective]:
    """The objective of this name; `where` says who asks for it."""
    known = names()
    if name not in known:
        raise UserError(f"{where}: unknown objective '{name}'{nearest(str(name), known)}. Known: {', '.join(known)}")
    module = importlib.import_module(f"{__name__}.{name}")
    kinds = [kind for kind in vars(module).values() if _is_objective(kind) and kind.__module__ == module.__name__]
    if len(kinds) != 1:
        raise UserError(f"{module.__file__}: expected one subclass of Objective, found {len(kinds)}")
    return kinds[0]


def _is_objective(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Objective)
