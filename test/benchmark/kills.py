"""Kill a study's whole process group at random moments, time and again, and compare what it makes in the end.

The synthetic recipe runs once undisturbed. Then it is begun, killed (SIGKILL, every process of it) and begun again,
until it has come to its end, as often as it takes for --kills kills. What each of these made must be what the first
one made, byte for byte: every output of every folder that has a provenance, but for those that name a path or a time.

    python test/benchmark/kills.py --kills 25
    python test/benchmark/kills.py --kills 25 --processes 2    # trainings by two processes that meet over gloo

Printed: at which stages it was killed, and the time that it took beside that of the undisturbed run. Exit code 1 where
anything differs.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recipe_runs import Folders, end_of, outcome, running, wait_until


def outcomes(folders: Folders) -> dict[str, str]:
    """Every output of every folder, by its hash, but for the page, which names the audio by folder and time."""
    found = {}
    for record in folders.root.rglob("provenance.json"):
        place = record.parent.relative_to(folders.root)
        found |= {f"{place}/{name}": each for name, each in outcome(record.parent).items()}
    return {file: each for file, each in found.items() if not file.endswith(".html")}


def start(folders: Folders, options: tuple[str, ...]) -> subprocess.Popen:
    """The recipe in a process group of its own; what it says goes to a file."""
    folders.root.mkdir(parents=True, exist_ok=True)
    with open(folders.root / "said", "a") as said:
        return subprocess.Popen(
            folders.command(*options), stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip


def kill(folders: Folders, shell: subprocess.Popen) -> None:
    """End the recipe's shell and all that it started, at once and without a word."""
    os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        pid, _, words = line.strip().partition(" ")
        if str(folders.root) in words:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended meanwhile
    wait_until(lambda: not running(str(folders.root)))


def at_stage(folders: Folders) -> str:
    """Where the recipe is, by its last word on a stage."""
    said = re.findall(r"Stage (\d+)", (folders.root / "said").read_text())
    return said[-1] if said else "0"


def ended(folders: Folders, shell: subprocess.Popen) -> bool:
    """Has it come to its end? An error is told, and ends all."""
    if shell.poll() is None:
        return False
    if shell.returncode:
        sys.exit(f"the recipe failed: {end_of((folders.root / 'said').read_text())}")
    return True


def disturbed(folders: Folders, options: tuple[str, ...], kills: int, longest: float, rng: random.Random) -> Counter:
    """Run to the end through at most so many kills; return at which stages they came."""
    where = Counter()
    while True:
        shell = start(folders, options)
        until = time.monotonic() + rng.uniform(0.2, longest)
        while time.monotonic() < until or where.total() == kills:
            if ended(folders, shell):
                return where
            time.sleep(0.02)
        kill(folders, shell)
        where[at_stage(folders)] += 1


def main() -> None:
    """Run, kill, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--processes", type=int, default=1, help="processes of a training")
    parser.add_argument("--longest", type=float, default=20.0, help="seconds between two kills, at most")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    options = ("--num_nodes", str(args.processes), "--run_jobs", "1")
    rng, where, differing = random.Random(args.seed), Counter(), []
    with tempfile.TemporaryDirectory(prefix="kills_") as name:
        undisturbed = Folders(Path(name) / "undisturbed")
        began = time.monotonic()
        shell = start(undisturbed, options)
        while not ended(undisturbed, shell):
            time.sleep(0.1)
        alone, expected = time.monotonic() - began, outcomes(undisturbed)
        print(f"undisturbed: {alone:.0f} s, {len(expected)} files", flush=True)
        began, tries = time.monotonic(), 0
        while where.total() < args.kills:
            tries += 1
            folders = Folders(Path(name) / f"disturbed{tries}")
            where += disturbed(folders, options, args.kills - where.total(), args.longest, rng)
            found = outcomes(folders)
            wrong = sorted(file for file in expected.keys() | found if expected.get(file) != found.get(file))
            differing += [f"try {tries}: {file}" for file in wrong]
            print(f"try {tries}: {where.total()} kills so far, {len(wrong)} files differ", flush=True)
        took = (time.monotonic() - began) / tries
    stages = ", ".join(f"{stage}: {count}" for stage, count in sorted(where.items(), key=lambda pair: int(pair[0])))
    print(f"{where.total()} kills, at stages {stages}; a disturbed run takes {took / alone:.1f} times as long")
    if differing:
        sys.exit("these differ:\n" + "\n".join(differing))


if __name__ == "__main__":
    main()
