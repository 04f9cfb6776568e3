"""A recipe to run in tests: where it lives, how it is called, what it left behind."""

import csv
import os
import shutil
import subprocess
import time
from pathlib import Path

import yaml
from tiny import ROOT

from hubert_iter import provenance

RECIPE = ROOT / "egs/synth/ssl1"
CORPUS = "--num_speakers 8 --eval_speakers 4 --sentences_per_speaker 12 --valid_utterances 4"
SETTINGS = ("--study", "ci", "--analysis", "ci", "--nj", "2", "--data_opts", CORPUS)


class Folders:
    """Where one recipe's results go."""

    def __init__(self, root: Path):
        """All three below `root`."""
        self.root = root
        self.data, self.dump, self.exp = root / "data", root / "dump", root / "exp"

    def command(self, *options: str) -> list[str]:
        """The recipe's command line."""
        folders = ["--datadir", str(self.data), "--dumpdir", str(self.dump), "--expdir", str(self.exp)]
        return [str(RECIPE / "run.sh"), *SETTINGS, *folders, *options]

    def analysis(self, **values) -> tuple[str, str]:
        """Options for a table of measures that differs from that of the tests in these values."""
        path = self.root / "mine.yaml"
        path.write_text(yaml.safe_dump({"base": "ci"} | values))
        return "--analysis", str(path)

    def run(self, *options: str) -> subprocess.CompletedProcess:
        """Run to the end; stdout and stderr together."""
        return subprocess.run(
            self.command(*options),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )

    def made(self) -> dict[str, int]:
        """When each folder was made."""
        records = sorted(self.root.rglob("provenance.json"))
        return {str(path.parent.relative_to(self.root)): path.stat().st_mtime_ns for path in records}

    def scores(self) -> list[dict[str, str]]:
        """The report's table."""
        with open(self.exp / "ci/report/scores.tsv") as file:
            return list(csv.DictReader(file, delimiter="\t"))


def copy_of_project(destination: Path) -> Path:
    """The project's scripts and code, with the environment of this checkout."""
    for name in ("egs", "conf", "hubert_iter"):
        ignored = shutil.ignore_patterns("__pycache__", "data", "dump", "exp", "downloads") if name == "egs" else None
        shutil.copytree(ROOT / name, destination / name, symlinks=True, ignore=ignored)
    shutil.copytree(ROOT / "tools", destination / "tools", ignore=shutil.ignore_patterns("venv"))
    (destination / "tools/venv").symlink_to(ROOT / "tools/venv")
    return destination


def outcome(folder: Path) -> dict[str, str]:
    """Hashes of a produced folder's files, but for those that name its absolute path, which is another in a copy."""
    outputs = provenance.read(folder)["outputs"]
    return {name: entry["sha256"] for name, entry in outputs.items() if not name.endswith((".scp", ".md"))}


def end_of(text: str) -> str:
    """What a failing recipe said last."""
    return "\n".join(text.splitlines()[-25:])


def running(word: str) -> bool:
    """Does a process have this word in its command line?"""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return any(word in line for line in listing.splitlines())


def wait_until(condition, seconds: float = 300.0) -> None:
    """Wait, not for ever."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
