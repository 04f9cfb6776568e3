"""The measures, one module each. A measure is known by its module's name; nothing else lists them."""

import sys

from hubert_iter import plugins
from hubert_iter.analysis.measure import Measure


def names() -> list[str]:
    """All measures' names."""
    return plugins.names(sys.modules[__name__])


def find(name: str, where: str) -> Measure:
    """The measure of this name; `where` starts the message of an error."""
    return plugins.find(sys.modules[__name__], name, Measure, "measure", where)()


def of_folder(name: str, where: str) -> Measure:
    """The measure whose scores a folder of this name holds: NAME, or NAME.VARIANT where it has several of a network."""
    kind, _, variant = name.partition(".")
    measure = find(kind, where)
    measure.variant = variant
    return measure
