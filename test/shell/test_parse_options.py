"""utils/parse_options.sh: what scripts accept on their command line."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARSER = ROOT / "egs/TEMPLATE/ssl1/utils/parse_options.sh"

SCRIPT = f"""#!/usr/bin/env bash
# A script.
set -euo pipefail

# Work
stage=1        # First stage,
               # counted from 1.
stop_stage=12  # Last stage.
title="a b"    # Title of the "report".
rate=1.5       # Rate.
fix=false      # Mend it.
empty=         # Nothing yet.

. "{PARSER}"
hidden=1  # Not an option.
printf '%s|' "$stage" "$stop_stage" "$title" "$rate" "$fix" "$empty"
"""


@pytest.fixture
def script(tmp_path):
    """A script with options, in a folder with a space; returns a function that runs it."""
    path = tmp_path / "with space" / "script.sh"
    path.parent.mkdir()
    path.write_text(SCRIPT)

    def call(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(["bash", path, *arguments], capture_output=True, text=True)

    return call


def test_defaults(script):
    assert script().stdout == "1|12|a b|1.5|false||"


def test_later_values_win_and_all_forms_are_understood(script):
    result = script("--stage", "2", "--stop-stage=6", "--stop-stage", "7", "--rate=.5", "--fix", "true", "--stage", "3")
    assert result.stdout == "3|7|a b|.5|true||"


@pytest.mark.parametrize("value", ["$(touch broken)", "`id`", "a;b", "a'b\"c", "--stage", "", "x=y", "*", "ä ö"])
def test_values_are_taken_as_they_are(script, value, tmp_path):
    assert script("--title", value).stdout == f"1|12|{value}|1.5|false||"
    assert not list(tmp_path.rglob("broken"))


@pytest.mark.parametrize(
    ("given", "near"),
    [("--stag", "--stage"), ("--stop_stag", "--stop_stage"), ("--titel", "--title"), ("--stop", "--stop_stage")],
)
def test_unknown_option_names_the_nearest(script, given, near):
    result = script(given, "1")
    assert result.returncode == 2
    assert f"did you mean {near}?" in result.stderr
    assert result.stdout == ""


def test_a_script_may_say_where_an_unknown_option_belongs(script, tmp_path):
    path = tmp_path / "with space" / "script.sh"
    function = 'elsewhere() { [ "$*" = "--where up_dates" ] && echo "--up_dates belongs elsewhere"; }\n'
    path.write_text(path.read_text().replace('. "', function + '. "', 1))
    for words in (("--up-dates", "3"), ("--up_dates=3",)):
        result = script(*words)
        assert (result.returncode, result.stdout) == (2, "")
        assert "--up_dates belongs elsewhere. --help lists" in result.stderr
    assert "did you mean --stage?" in script("--stag", "1").stderr  # of which it says nothing


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hidden", "2"],
        ["stage", "2"],
        ["--stage"],
        ["--stage", "x"],
        ["--stage", "1.5"],
        ["--stage", ""],
        ["--rate", "fast"],
        ["--fix", "yes"],
        ["-s", "1"],
        ["--"],
    ],
)
def test_refused(script, arguments):
    result = script(*arguments)
    assert result.returncode == 2
    assert arguments[0].lstrip("-") in result.stderr
    assert result.stdout == ""


def test_help_is_made_of_the_comments_and_shows_values(script):
    result = script("--stage", "5", "--help")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == ["A script.", "Work"]
    (stage,) = (line for line in lines if line.split()[0] == "--stage")
    assert "First stage, counted from 1." in stage
    assert "(now: 5)" in stage
    assert [line.split()[0] for line in lines[2:]] == [
        "--stage",
        "--stop_stage",
        "--title",
        "--rate",
        "--fix",
        "--empty",
    ]
