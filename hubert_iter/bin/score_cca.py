"""Score a run's layers: held-out PWCCA and mean CCA with phone, word and speaker identity, with controls."""

import argparse
import math
import os
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.analysis import cca, pool, sample, scores, scoring
from hubert_iter.bin import cli
from hubert_iter.errors import UserError


def main(argv=None) -> None:
    """Write scores.tsv and speakers.tsv."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--layers", required=True, help="folder made by pool_layers")
    parser.add_argument("--samples", required=True, help="folder made by sample_segments")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--name", required=True, help="the run's name in scores and figures")
    parser.add_argument("--trials", type=int, default=3, help="disjoint (dev, test) pairs of the ten parts, at most 5")
    parser.add_argument("--seed", type=int, default=0, help="seed of the ten parts and of the shuffled labels")
    parser.add_argument(
        "--regularisers", type=_numbers, default=cca.REGULARISERS,
        help="numbers with commas, relative to each covariance's largest entry; the dev part chooses",
    )  # fmt: skip
    parser.add_argument("--null", type=cli.true_or_false, default=True, help="score shuffled labels too")
    parser.add_argument("--nj", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    args = parser.parse_args(argv)
    settings = scoring.Settings(args.trials, args.seed, args.regularisers, args.null)
    stage = provenance.Product(
        Path(args.out), "score_cca", vars(settings) | {"name": args.name},
        {"layers": args.layers, "samples": args.samples},
    )  # fmt: skip
    if stage.done():
        return
    pooled_for = provenance.read(args.layers)["inputs"].get("samples", {}).get("id")
    if pooled_for != provenance.identity(args.samples):
        raise UserError(
            f"{args.layers}: expected layers pooled for the segments of {args.samples}, found those of other segments. "
            "Run pool_layers (stage 8) again"
        )
    with stage.writing() as work:
        layers = pool.read(args.layers)
        if layers.name != args.name:
            raise UserError(
                f"{args.layers}: expected run {args.name}, found {layers.name}. Each run has its own --layers"
            )
        speakers = sample.read_speakers(args.samples)
        rows, left_out = scoring.score_run(layers, sample.read(args.samples), settings, args.nj, speakers)
        scores.write(work / scores.FILE_NAME, rows)
        scores.write(work / scores.SPEAKERS_FILE, left_out, scores.SPEAKER_COLUMNS)


def _numbers(text: str) -> tuple[float, ...]:
    """Parse "1e-4,1e-2"."""
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 <= number < math.inf for number in numbers):
        raise argparse.ArgumentTypeError(f"expected numbers from 0 up with commas, as 1e-8,1e-5, found '{text}'")
    return numbers


if __name__ == "__main__":
    cli.run(main)
