"""What a call of each entry point costs before it does anything: processor time, and its ratio to Python alone.

A recipe that finds everything done is dozens of such calls. With --check it exits 1 where an entry point takes more
than MOST_RATIO times as long as Python alone, as it does if it imports numpy, let alone torch.
"""

import argparse
import os
import pkgutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_RATIO = 4.0
HEAVY = ("numpy", "torch", "scipy", "matplotlib", "soundfile", "kaldiio", "faiss")


def seconds(code: str) -> float:
    """Processor time of a Python that runs this."""
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {code}")
    return usage.ru_utime + usage.ru_stime


def loaded(module: str) -> list[str]:
    """Which heavy libraries come with a module."""
    code = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def main() -> int:
    """Print one row per entry point; 1 where --check finds one that is slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = sorted(module.name for module in pkgutil.iter_modules([str(ROOT / "hubert_iter/bin")]))
    names.remove("cli")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="entry points to measure")
    parser.add_argument("--repeats", type=int, default=5, help="calls of each, in turn; the median counts")
    parser.add_argument("--check", action="store_true", help=f"exit 1 where a ratio is above {MOST_RATIO}")
    args = parser.parse_args()

    codes = {"python alone": "pass"} | {name: f"import hubert_iter.bin.{name}" for name in args.only}
    times = {name: [] for name in codes}
    for _ in range(args.repeats):
        for name, code in codes.items():
            times[name].append(seconds(code))
    medians = {name: statistics.median(values) for name, values in times.items()}
    alone = medians.pop("python alone")
    print(f"load {os.getloadavg()[0]:.1f}; python alone: {1000 * alone:.0f} ms")
    for name, value in sorted(medians.items(), key=lambda item: item[1]):
        libraries = " ".join(loaded(f"hubert_iter.bin.{name}"))
        print(f"{name:22s} {1000 * value:5.0f} ms, ratio {value / alone:.1f}  {libraries}")
    slow = [name for name, value in medians.items() if value > MOST_RATIO * alone]
    if args.check and slow:
        print(f"above {MOST_RATIO}: {', '.join(slow)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
