"""The one exception for faults a user can mend, and help with misspelt words."""

import difflib
from collections.abc import Iterable, Mapping


class UserError(Exception):
    """Bad input. The message says what was expected, what was found, where, and what to do next."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean X?)" for the known word closest to `word`, or "" when none is close."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]}?)" if matches else ""


def refuse_unknown_keys(given: Mapping, known: Iterable[str], where: str) -> None:
    """Raise UserError for the first key of `given` that is not in `known`, naming the nearest known key."""
    known = list(known)
    for key in given:
        if key not in known:
            raise UserError(f"{where}: unknown key '{key}'{nearest(str(key), known)}. Known keys: {', '.join(known)}")


def summarise(items: Iterable[str], most: int = 5) -> str:
    """List the first few items and count the rest: "a, b, c and 7 more"."""
    items = list(items)
    shown = ", ".join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def shown(value: object, most: int = 200) -> str:
    """A value as a message quotes it: cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python does not print numbers of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= most else f"{text[:most]}..."
