"""The measures, one module each. A measure is known by its module's name; nothing else lists them."""

import importlib
import pkgutil

from hubert_iter.analysis.measure import Measure
from hubert_iter.errors import UserError, nearest


def names() -> list[str]:
    """All measures' names."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str, where: str) -> Measure:
    """The measure of this name; `where` starts the message of an error."""
    known = names()
    if name not in known:
        raise UserError(f"{where}: unknown measure '{name}'{nearest(str(name), known)}. Known: {', '.join(known)}")
    module = importlib.import_module(f"{__name__}.{name}")
    kinds = [kind for kind in vars(module).values() if _is_measure(kind) and kind.__module__ == module.__name__]
    if len(kinds) != 1:
        raise UserError(f"{module.__file__}: expected one subclass of Measure, found {len(kinds)}")
    return kinds[0]()


def _is_measure(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Measure)
