"""ruff and shellcheck over the whole project, as tests: CI's last lines are pytest's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {"venv", ".git", "build", "data", "dump", "exp", "downloads"}


def shell_files() -> list[Path]:
    """Every shell script of the project, links and products left out."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED or folder.endswith("hubert_iter")]
        for path in (Path(folder) / name for name in files):
            if path.is_symlink():
                continue
            if path.suffix == ".sh" or (path.suffix == "" and path.read_bytes()[:19] == b"#!/usr/bin/env bash"):
                found.append(path.relative_to(ROOT))
    return sorted(found)


def run(*command: str | Path) -> subprocess.CompletedProcess:
    """Run a linter in the project's root."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_ruff():
    result = run(sys.executable, "-m", "ruff", "check", "--quiet", ".")
    assert result.returncode == 0, result.stdout + result.stderr


def test_ruff_format():
    result = run(sys.executable, "-m", "ruff", "format", "--check", "--quiet", ".")
    assert result.returncode == 0, "run `ruff format .`\n" + result.stdout + result.stderr


def test_shell_files_are_found():
    names = {path.name for path in shell_files()}
    assert {"ssl.sh", "parse_options.sh", "install.sh", "run"} <= names


@pytest.mark.parametrize("path", shell_files(), ids=str)
def test_shellcheck(path):
    program = Path(sys.executable).with_name("shellcheck")
    # Sourced files are checked by themselves; the options that they read and set are unknown to shellcheck.
    result = run(program, "--exclude=SC1091,SC2154,SC1090", "--shell=bash", path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path", shell_files(), ids=str)
def test_positional_arguments_above_nine_are_not_mistaken(path):
    """$10 is ${1}0 in bash; shellcheck says so only in some places."""
    assert not re.search(r"\$[0-9]{2}", (ROOT / path).read_text())
