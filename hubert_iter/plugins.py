"""Things that are one module each (objectives, measures): found by the name of their module; no list names them."""

import importlib
import pkgutil
from types import ModuleType

from hubert_iter.errors import UserError, nearest


def names(package: ModuleType) -> list[str]:
    """Names of all modules of the package."""
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def find[T](package: ModuleType, name: str, base: type[T], what: str, where: str) -> type[T]:
    """The one subclass of `base` that the module of this name declares.

    UserError for an unknown name, which begins with `where` and calls the thing `what`, and for a module that declares
    none or several.
    """
    known = names(package)
    if name not in known:
        raise UserError(f"{where}: unknown {what} '{name}'{nearest(str(name), known)}. Known: {', '.join(known)}")
    module = importlib.import_module(f"{package.__name__}.{name}")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, base)]
    own = [kind for kind in kinds if kind.__module__ == module.__name__]
    if len(own) != 1:
        raise UserError(f"{module.__file__}: expected one subclass of {base.__name__}, found {len(own)}")
    return own[0]
