"""Check a study, then print its runs in the order of their dependencies, one tab-separated row each: run, objective,
features, tap, k, labels, last update, init, replicate, normalise; of a run with refresh, whose legs have a row each:
the leg that it continues, that one's labels where the head is kept; of a network from elsewhere where it is, the file
of somebody's own centroids; and "leg" if another leg follows; '-' where there is none. The recipe's loop reads this."""

import sys
from collections.abc import Iterable
from pathlib import Path

from hubert_iter import study
from hubert_iter.asr import packages
from hubert_iter.bin import cli
from hubert_iter.errors import UserError, summarise
from hubert_iter.runs import BEST, Run

ALIGNMENTS = ("given", "make", "none")
"""Where alignments come from: TextGrids or CTM files, the project's aligner, nowhere."""


def main(argv=None) -> None:
    """Print the plan."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--study", required=True, help="table of runs (YAML)")
    parser.add_argument(
        "--runs", nargs="*", default=[], help="only these: hubert_it1 means all replicates of it, hubert_it1.2 one"
    )
    parser.add_argument(
        "--conf_dirs",
        type=Path,
        nargs="+",
        default=[],
        help="folders of configurations, to check what runs name",
    )
    parser.add_argument("--analysis", help="table of measures in conf/analysis, or a file, to check it too")
    cli.add_wandb(parser)
    parser.add_argument("--push_to", default="", help="repository that runs are to be uploaded to, to check it too")
    parser.add_argument(
        "--alignments", choices=ALIGNMENTS, default="given", help="where they come from, to check what needs them"
    )
    parser.add_argument(
        "--extras", nargs="*", default=[], choices=tuple(packages.PACKAGES),
        help="extras of the installation that recognition is to use, to check them",
    )  # fmt: skip
    args = parser.parse_args(argv)
    packages.check(args.extras)
    table = study.read(args.study)
    chosen = table.select(args.runs)
    _check_alignments(args.alignments, [leg for run in chosen for leg in table.legs[run.name]])
    if args.conf_dirs:
        from hubert_iter.train import check_study

        check_study.check(table, args.conf_dirs)
    if args.analysis:
        from hubert_iter.analysis.table import check

        check(args.analysis, args.conf_dirs)
    if args.wandb:
        from hubert_iter.train import wandb_board

        wandb_board.check(args.wandb)
    if args.push_to:
        from hubert_iter.share import push

        own = [run for run in chosen if not run.pretrained]
        push.check(args.push_to, [run.name for run in own])
        if args.conf_dirs:
            check_study.check_exported(own, args.conf_dirs)
    for run in chosen:
        before = None
        for leg in table.legs[run.name]:
            sys.stdout.write("\t".join(str(value or "-") for value in row_of(leg, before)) + "\n")
            before = leg


def _check_alignments(alignments: str, legs: Iterable[Run]) -> None:
    """Refuse, before anything is done, what alignments are needed for where there will be none."""
    if alignments == "make":
        from hubert_iter.corpora import aligner

        aligner.check()
    best = [leg.name for leg in legs if leg.tap == BEST]
    if alignments == "none" and best:
        raise UserError(
            f"--alignments none: {summarise(best)} cluster the layer whose units say most of phones ({BEST}), which "
            "needs alignments of the validation set. Name a layer in the study, or give or make alignments: see "
            "docs/alignments.md"
        )


def row_of(run: Run, before: Run | None) -> tuple:
    """What the recipe has to know of a run, or of a leg that continues `before`."""
    features = run.teacher or run.targets
    own = (run.name, run.objective, features, run.tap, run.k, run.labels, run.until or run.updates, run.init)
    old_labels = before.labels if before and run.keeps_head else ""
    more = (run.replicate, run.normalise, run.continues, old_labels, run.pretrained, run.kmeans)
    return (*own, *more, "leg" if run.inner else "")


if __name__ == "__main__":
    cli.run(main)
