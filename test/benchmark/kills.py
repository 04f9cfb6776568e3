"""Kill a study's whole process group at a random moment of every stage, time and again, and compare what it makes.

The synthetic recipe runs once undisturbed. Then it is begun, killed (SIGKILL, every process of it) and begun again: the
first kill comes at a random moment of stage 1, the next at one of stage 2, and so on through the stages of every run,
after which it may end. Another folder is begun until there were at least --kills kills. What each folder holds in the
end must be what the first one holds, byte for byte: every output of every folder that has a provenance, but for those
that name a path or a time.

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
    with open(folders.root / "said", "w") as said:
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


def steps(folders: Folders) -> list[str]:
    """The stages, and the runs of stages 5 to 7, that the recipe has come to since it was begun last, in order."""
    said = (folders.root / "said").read_text()
    return list(dict.fromkeys(re.findall(r"Stage \d+(?:, [\w.]+)?(?=[ :])", said)))


def ended(folders: Folders, shell: subprocess.Popen) -> bool:
    """Has it come to its end? An error is told, and ends all."""
    if shell.poll() is None:
        return False
    if shell.returncode:
        sys.exit(f"the recipe failed: {end_of((folders.root / 'said').read_text())}")
    return True


def undisturbed(folders: Folders, options: tuple[str, ...]) -> dict[str, float]:
    """Run to the end; return how many seconds each step took."""
    came = {}
    shell = start(folders, options)
    while not ended(folders, shell):
        for step in steps(folders):
            came.setdefault(step, time.monotonic())
        time.sleep(0.1)
    ends = [*list(came.values())[1:], time.monotonic()]
    return {step: end - began for (step, began), end in zip(came.items(), ends, strict=True)}


def disturbed(folders: Folders, options: tuple[str, ...], took: dict[str, float], rng: random.Random) -> Counter:
    """Kill it once at a random moment of each step, then let it end; return where the kills came."""
    where = Counter()
    for step, seconds in took.items():
        shell = start(folders, options)
        while step not in steps(folders) and not ended(folders, shell):
            time.sleep(0.02)
        until = time.monotonic() + rng.uniform(0, seconds)
        while time.monotonic() < until and not ended(folders, shell):
            time.sleep(0.02)
        if ended(folders, shell):
            return where
        kill(folders, shell)
        where[steps(folders)[-1]] += 1
    shell = start(folders, options)
    while not ended(folders, shell):
        time.sleep(0.1)
    return where


def main() -> None:
    """Run, kill, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25, help="at least so many")
    parser.add_argument("--processes", type=int, default=1, help="processes of a training")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    options = ("--num_nodes", str(args.processes), "--run_jobs", "1")
    rng, where, differing = random.Random(args.seed), Counter(), []
    with tempfile.TemporaryDirectory(prefix="kills_") as name:
        whole = Folders(Path(name) / "undisturbed")
        took = undisturbed(whole, options)
        alone, expected = sum(took.values()), outcomes(whole)
        print(f"undisturbed: {alone:.0f} s, {len(expected)} files", flush=True)
        began, tries = time.monotonic(), 0
        while where.total() < args.kills:
            tries += 1
            folders = Folders(Path(name) / f"disturbed{tries}")
            where += disturbed(folders, options, took, rng)
            found = outcomes(folders)
            wrong = sorted(file for file in expected.keys() | found if expected.get(file) != found.get(file))
            differing += [f"try {tries}: {file}" for file in wrong]
            print(f"try {tries}: {where.total()} kills so far, {len(wrong)} files differ", flush=True)
        longer = (time.monotonic() - began) / tries / alone
    print(f"{where.total()} kills; a disturbed run takes {longer:.1f} times as long")
    for step, count in where.items():
        print(f"{step}: {count}")
    if differing:
        sys.exit("these differ:\n" + "\n".join(differing))


if __name__ == "__main__":
    main()
