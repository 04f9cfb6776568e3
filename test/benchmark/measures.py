"""What each measure of a network's layers costs, beside CCA alone: wall time in turn, and the ratio of all to CCA.

Wants a study that has been through stage 8, e.g. that of the mini recipe (any networks do, trained or not):

    python test/benchmark/measures.py --study egs/mini_librispeech/ssl1/exp/mini --dump egs/mini_librispeech/ssl1/dump

With --check it exits 1 where all measures together take more than MOST_RATIO times as long as CCA alone.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from hubert_iter.analysis import measures, pool, table
from hubert_iter.analysis.measure import Material
from hubert_iter.analysis.parallel import Workers
from hubert_iter.feats.baselines import BASELINES

ROOT = Path(__file__).resolve().parents[2]
MOST_RATIO = 2.0


def costs(material: Material, analysis: table.Analysis) -> dict[str, float]:
    """Seconds of each measure."""
    taken = {}
    for name, settings in analysis.measures.items():
        began = time.perf_counter()
        measures.find(name, "benchmark").score(material, settings)
        taken[name] = time.perf_counter() - began
    return taken


def main() -> int:
    """Print medians over repeats, summed over networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, required=True, help="exp/<study>, with samples and <run>/layers")
    parser.add_argument("--dump", type=Path, required=True, help="dump, with data/eval and alignments/eval")
    parser.add_argument("--analysis", default="default")
    parser.add_argument("--conf_dirs", type=Path, nargs="+", default=[ROOT / "conf"])
    parser.add_argument("--nj", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--check", action="store_true", help=f"exit 1 where the ratio is above {MOST_RATIO}")
    args = parser.parse_args()
    analysis = table.read(args.analysis, args.conf_dirs)
    folders = {folder.parent.name: folder for folder in sorted(args.study.glob("*/layers"))}
    networks = [name for name in folders if name not in BASELINES]
    if not networks:
        sys.exit(f"{args.study}: no network with pooled layers: run stage 8 first")
    total: dict[str, float] = dict.fromkeys(analysis.measures, 0.0)
    for name in networks:
        others = {other: folder for other, folder in folders.items() if other != name}
        runs = []
        for _ in range(args.repeats):
            with Workers(args.nj) as workers, tempfile.TemporaryDirectory() as scratch:
                material = Material(
                    pool.read(folders[name]), args.study / "samples", workers, analysis.splits.seed,
                    analysis.splits.trials, others, args.study / name / "model", args.dump / "data/eval",
                    args.dump / "alignments/eval", Path(scratch),
                )  # fmt: skip
                runs.append(costs(material, analysis))
        for measure in total:
            total[measure] += statistics.median(run[measure] for run in runs)
    print(f"load {os.getloadavg()[0]:.1f}; {len(networks)} networks, {args.nj} processes, seconds")
    for measure, seconds in total.items():
        print(f"{measure:12s} {seconds:6.2f}, {seconds / total['cca']:.2f} of cca")
    ratio = sum(total.values()) / total["cca"]
    print(f"all          {sum(total.values()):6.2f}, ratio to cca alone {ratio:.2f} (at most {MOST_RATIO})")
    return int(args.check and ratio > MOST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
