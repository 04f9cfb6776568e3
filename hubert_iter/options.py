"""Options that a user may set: name, type, default, help and check stand in one dataclass field.

Configuration files are read by it (`read`), command lines are made from it (`add_arguments`), and so is the list of all
options that `python -m hubert_iter.bin.options` prints.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from hubert_iter import strict_yaml
from hubert_iter.errors import UserError, refuse_unknown_keys, shown

_NUMBERS = {int: "a whole number", float: "a number"}
LONGEST_NAME = 200
"""Characters of a name, or of a part of a path; file systems limit them, and names are parts of others."""


@dataclass(frozen=True)
class Check:
    """What a value must be, besides its type: limits of a number (or of each number in a list), or a few words."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    fewest: int = 0
    """Values that a list must have at least."""

    def fails(self, value: Any) -> bool:
        """True for a value that is not allowed."""
        if self.choices:
            return value not in self.choices
        return (
            (self.least is not None and not value >= self.least)
            or (self.above is not None and not value > self.above)
            or (self.most is not None and not value <= self.most)
            or (self.below is not None and not value < self.below)
        )

    def __str__(self) -> str:
        """The limits in words, to follow "a number"; "" where there are none."""
        if self.choices:
            return ", ".join(self.choices[:-1]) + f" or {self.choices[-1]}"
        if self.least is not None and self.most is not None:
            return f"from {_figure(self.least)} to {_figure(self.most)}"
        words = {"of at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        return " and ".join(f"{word} {_figure(value)}" for word, value in words.items() if value is not None)


def option(default: Any, help: str, shapes: bool = True, later: bool = False, **check: Any) -> Any:
    """A field of a dataclass of options. `check`: least, above, most, below, choices, fewest.

    Numbers of the model, objective and training have limits (test_fuzz_values): nonsense is refused before stage 1.

    `shapes=False` is for a value that changes no result (how often to report, how many processes read): with another
    value nothing is made again. `later=True` is for an option that came after results had been made without it, and
    whose default is what was done then (see `shaping`). Conditions on several options together are checked by the
    dataclass's __post_init__, which raises a UserError.
    """
    metadata = {"help": help, "check": Check(**check), "shapes": shapes, "later": later}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def read[T](kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Make options from values as YAML gives them.

    UserError, with `where`, for unknown or missing keys, wrong types and values outside the limits.
    """
    refuse_unknown_keys(values, names(kind), where)
    missing = [each.name for each in fields(kind) if _default(each) is MISSING and each.name not in values]
    if missing:
        raise UserError(f"{where}: {missing[0]}: expected a value, found none. Needed: {', '.join(missing)}")
    types = get_type_hints(kind)
    known = {each.name: each for each in fields(kind)}
    read_values = {name: _value(known[name], types[name], value, where) for name, value in values.items()}
    try:
        return kind(**read_values)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def change[T](made: T, changes: Mapping[str, Any], where: str) -> T:
    """The options with some values replaced, checked as by `read`."""
    return read(type(made), {**values(made), **changes}, where) if changes else made


def values(made: Any) -> dict[str, Any]:
    """All values by name, as YAML and JSON can hold them."""
    return {name: plain(getattr(made, name)) for name in names(type(made))}


def names(kind: type) -> list[str]:
    """Names of the options."""
    return [each.name for each in fields(kind)]


def assignments(text: str, where: str) -> dict[str, Any]:
    """Parse "learning_rate=1e-3 milestones=[100,200]": words NAME=VALUE, values as in YAML."""
    values = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise UserError(f"{where}: expected NAME=VALUE ..., found '{word}'")
        try:
            values[name] = strict_yaml.load(value)
        except yaml.YAMLError:
            raise UserError(f"{where}: {name}: not a value that YAML can read: '{value}'") from None
    return values


def add_arguments(parser: argparse.ArgumentParser, kind: type) -> None:
    """Add --NAME for each option, with its default and help."""
    types = get_type_hints(kind)
    for each in fields(kind):
        parser.add_argument(
            f"--{each.name}", default=each.default, type=_from_text(each, types[each.name]), help=_help(each)
        )


def from_arguments[T](kind: type[T], args: argparse.Namespace) -> T:
    """The options that `add_arguments` added."""
    return kind(**{name: getattr(args, name) for name in names(kind)})


def shaping(made: Any) -> dict[str, Any]:
    """The values that shape a result, for provenance.

    A `later` option is left out at its default: what was made before there was such an option stays up to date.
    """
    shaping = [each for each in fields(made) if each.metadata["shapes"]]
    return {
        each.name: plain(getattr(made, each.name))
        for each in shaping
        if not each.metadata["later"] or getattr(made, each.name) != _default(each)
    }


def silent(kind: type) -> list[str]:
    """Names of the options that shape no result."""
    return [each.name for each in fields(kind) if not each.metadata["shapes"]]


def describe(kind: type) -> Iterable[tuple[str, str, str]]:
    """(name, default as YAML writes it, help) of each option."""
    for each in fields(kind):
        default = _default(each)
        written = "" if default in (MISSING, "") else yaml.safe_dump(plain(default), default_flow_style=True)
        yield each.name, written.removesuffix("...\n").strip(), _help(each)


def plain(value: Any) -> Any:
    """A value as YAML and JSON can hold it: lists for tuples."""
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) and value < 2**53 else f"{value:g}"


def _default(each: Field) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


def _help(each: Field) -> str:
    check = str(each.metadata["check"]).removeprefix("of ")
    return each.metadata["help"] + (f"; {check}" if check else "")


def _value(each: Field, kind: Any, value: Any, where: str) -> Any:
    converted = _convert(kind, value)
    check = each.metadata.get("check", Check())
    items = converted if isinstance(converted, tuple) else (converted,)
    too_few = isinstance(converted, tuple) and len(converted) < check.fewest
    if converted is None or too_few or any(check.fails(item) for item in items):
        raise UserError(f"{where}: {each.name}: expected {_words(kind, check)}, found {shown(value)}")
    return converted


def _convert(kind: Any, value: Any) -> Any:
    """The value converted to `kind`; None where that is impossible."""
    if get_origin(kind) is UnionType:
        return next((made for each in get_args(kind) if (made := _convert(each, value)) is not None), None)
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        if not isinstance(value, list | tuple):
            return None
        items = tuple(_convert(item, each) for each in value)
        size_is_right = get_args(kind)[1:] == (...,) or len(items) == len(get_args(kind))
        return items if size_is_right and None not in items else None
    if kind is float:
        return _number(value)
    if get_origin(kind) is dict:
        return value if isinstance(value, dict) else None
    if kind is str:
        return value if isinstance(value, str) and is_name(value) else None
    return value if type(value) is kind else None


def is_name(text: str) -> bool:
    """Can a file, a folder or a path be called so, in a line of a table? "" is one that is not given."""
    return text.isprintable() and all(len(part) <= LONGEST_NAME for part in text.split("/"))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)  # YAML reads 1e-3, which has no point, as text
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _words(kind: Any, check: Check) -> str:
    if check.choices:
        return str(check)
    if kind is bool:
        return "true or false"
    if get_origin(kind) is dict:
        return "{NAME: VALUE, ...}"
    if get_origin(kind) is UnionType:
        return ", or ".join(_words(each, check) for each in get_args(kind))
    if get_origin(kind) is tuple:
        given = get_args(kind)
        count = "a list" if given[1:] == (...,) else f"a list of {len(given)}"
        return f"{count}, each {_words(given[0], check)}"
    name = f"a name or path, of at most {LONGEST_NAME} characters in a part"
    return f"{_NUMBERS.get(kind, name)} {check}".strip()


def _from_text(each: Field, kind: Any) -> Callable[[str], Any]:
    """A converter for argparse: lists are written with commas."""

    def convert(text: str) -> Any:
        items = get_origin(kind) is tuple
        try:
            value: Any = text if kind is str else strict_yaml.load(f"[{text}]" if items else text)
            return _value(each, kind, value, "option")
        except yaml.YAMLError:
            raise argparse.ArgumentTypeError(f"not a value that YAML can read: '{text}'") from None
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error).split(": ", 2)[2]) from None

    return convert
