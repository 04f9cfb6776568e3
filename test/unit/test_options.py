"""Options declared once, and configuration files that build on others."""

import argparse
import re
from dataclasses import dataclass

import pytest

from hubert_iter import config, options
from hubert_iter.errors import UserError
from hubert_iter.options import option


@dataclass(frozen=True)
class Example:
    rate: float = option(5e-4, "at its peak", above=0)
    count: int = option(2, "how many", least=1)
    share: float = option(0.1, "a part", least=0, most=1)
    kind: str = option("auto", "which", choices=("auto", "never"))
    sizes: tuple[int, ...] = option((), "of each", least=1)
    pair: tuple[float, float] = option((0.9, 0.98), "two")
    on: bool = option(False, "whether")


def test_values_are_read_as_declared():
    assert options.read(Example, {}, "x") == Example()
    found = options.read(Example, {"rate": "1e-3", "sizes": [3, 4], "pair": [1, 2], "on": True}, "x")
    assert found == Example(rate=1e-3, sizes=(3, 4), pair=(1.0, 2.0), on=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rates": 1}, "unknown key 'rates'.*did you mean rate"),
        ({"rate": 0}, "x: rate: expected a number above 0, found 0"),
        ({"rate": True}, "rate: expected a number"),
        ({"rate": "fast"}, "rate: expected a number"),
        ({"rate": float("nan")}, "rate: expected a number"),
        ({"pair": [1, "inf"]}, "pair: expected a list of 2"),
        ({"count": 1.5}, "count: expected a whole number of at least 1"),
        ({"share": 2}, "share: expected a number from 0 to 1"),
        ({"kind": "always"}, "kind: expected auto or never, found 'always'"),
        ({"sizes": [1, 0]}, "sizes: expected a list, each a whole number of at least 1"),
        ({"sizes": 3}, "sizes: expected a list"),
        ({"pair": [1, 2, 3]}, "pair: expected a list of 2"),
        ({"on": "yes"}, "on: expected true or false"),
    ],
)
def test_faults_name_option_expectation_and_value(values, message):
    with pytest.raises(UserError, match=message):
        options.read(Example, values, "x")


@dataclass(frozen=True)
class Together:
    channels: int | tuple[int, ...] = option(8, "one for all, or of each", least=1)
    groups: int = option(2, "that they are divided into", least=1)
    more: dict[str, int] = option({}, "by name")

    def __post_init__(self):
        if isinstance(self.channels, int) and self.channels % self.groups:
            raise UserError(f"channels {self.channels} must be a multiple of groups {self.groups}")


def test_alternatives_mappings_and_what_must_fit_together():
    made = options.read(Together, {"channels": [3, 4], "more": {"a": 1}}, "x")
    assert (made.channels, made.more, options.read(Together, {"channels": 4}, "x").channels) == ((3, 4), {"a": 1}, 4)
    assert options.values(made) == {"channels": [3, 4], "groups": 2, "more": {"a": 1}}
    assert options.change(made, {"channels": 6}, "x") == Together(channels=6, more={"a": 1})
    for values, message in (
        ({"channels": 5}, "x: channels 5 must be a multiple of groups 2"),
        ({"channels": "many"}, "channels: expected a whole number of at least 1, or a list, each a whole number"),
        ({"channels": [0]}, "channels: expected"),
        ({"more": [1]}, "more: expected {NAME: VALUE, ...}"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            options.change(Together(), values, "x")


def test_an_option_without_default_is_wanted():
    @dataclass(frozen=True)
    class Needed:
        width: int

    with pytest.raises(UserError, match="width: expected a value"):
        options.read(Needed, {}, "x")


def test_command_line_from_the_same_declaration(capsys):
    parser = argparse.ArgumentParser()
    options.add_arguments(parser, Example)
    args = parser.parse_args(["--rate", "1e-3", "--sizes", "3,4", "--on", "true"])
    assert options.from_arguments(Example, args) == Example(rate=1e-3, sizes=(3, 4), on=True)
    with pytest.raises(SystemExit):
        parser.parse_args(["--count", "0"])
    assert "whole number of at least 1" in capsys.readouterr().err


def test_assignments():
    assert options.assignments("rate=1e-3 sizes=[1,2] on=true", "--set") == {
        "rate": "1e-3",
        "sizes": [1, 2],
        "on": True,
    }
    with pytest.raises(UserError, match="--set: expected NAME=VALUE"):
        options.assignments("rate", "--set")


def write(folder, name, text):
    path = folder / "train" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_file_on_top_of_its_base(tmp_path):
    own, shared = tmp_path / "own", tmp_path / "shared"
    write(shared, "base", "rate: 1\ndeep: {a: 1, b: 2}\n")
    write(own, "base", "base: base\nrate: 2\n")
    write(own, "mine", "base: base\ndeep: {b: 3}\nlist: [1]\n")
    assert config.load("train", "mine", [own, shared]) == {"rate": 2, "deep": {"a": 1, "b": 3}, "list": [1]}


def test_a_built_in_name_needs_no_file(tmp_path):
    built_in = {"plain": {"name": "plain", "rate": 1}}
    write(tmp_path, "mine", "base: plain\nrate: 2\n")
    assert config.load("train", "plain", [tmp_path], built_in) == {"name": "plain", "rate": 1}
    assert config.load("train", "mine", [tmp_path], built_in) == {"name": "plain", "rate": 2}
    # A file of that name may change its values.
    write(tmp_path, "plain", "base: plain\nrate: 3\n")
    assert config.load("train", "mine", [tmp_path], built_in) == {"name": "plain", "rate": 2}
    assert config.load("train", "plain", [tmp_path], built_in) == {"name": "plain", "rate": 3}
    with pytest.raises(UserError, match="did you mean plain"):
        config.load("train", "plane", [tmp_path], built_in)


def test_bases_that_are_missing_or_go_round(tmp_path):
    write(tmp_path, "a", "base: b\n")
    write(tmp_path, "b", "base: a\n")
    write(tmp_path, "c", "base: d\n")
    with pytest.raises(UserError, match="circle"):
        config.load("train", "a", [tmp_path])
    with pytest.raises(UserError, match=r"c\.yaml: base: no train configuration 'd'"):
        config.load("train", "c", [tmp_path])


def test_no_option_has_a_name_that_yaml_takes_for_something_else():
    import yaml

    from hubert_iter.train import catalogue

    groups = [*catalogue.groups(), *catalogue.of_analysis()]
    names = {name for group in groups for name in options.names(group.kind)}
    assert {name for name in names if yaml.safe_load(f"{name}: 1") != {name: 1}} == set()
