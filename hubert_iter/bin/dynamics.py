"""One run over its training, on one page: all measures at its milestones, what its layers' clusters come to follow, and
which phones gain and lose clusters of their own."""

import logging
import os
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.bin import cli
from hubert_iter.errors import UserError
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write index.html, scores.tsv (all measures), clusters.tsv and figures."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--name", required=True, help="the run")
    parser.add_argument(
        "--run", type=Path, required=True, help="its folder, with layers*/ and measures*/ of stages 8 and 9"
    )
    parser.add_argument("--samples", type=Path, required=True, help="folder made by sample_segments")
    parser.add_argument(
        "--labels", type=Path, help="labels of the evaluation set that it is taught, if it is taught any"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the clusters")
    parser.add_argument("--nj", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    layers = _made(args.run, "layers*")
    if len(layers) < 2:
        raise UserError(
            f"{args.run}: expected layers of several updates, found {len(layers)}. Keep checkpoints on the way with "
            "set: {train.milestones: [100, 200, ...]} in the study (or --train_args milestones=[100,200]), train "
            "again, and run stages 8 and 9 with --dynamics"
        )
    inputs = {folder.name: folder for folder in layers} | {"samples": args.samples}
    inputs |= {str(folder.relative_to(args.run)): folder for folder in _made(args.run, "measures*/*")}
    if args.labels:
        inputs["labels"] = args.labels
    product = Product(args.out, "dynamics", {"run": args.name, "seed": args.seed}, inputs)
    if not product.done():
        from hubert_iter.analysis.parallel import Workers
        from hubert_iter.report import dynamics

        with product.writing() as work, Workers(args.nj) as workers:
            dynamics.write(
                work, dynamics.Sources(args.name, args.run, layers, args.samples, args.labels), args.seed, workers
            )
    logging.info("Learning dynamics of %s: %s", args.name, args.out / "index.html")


def _made(folder: Path, pattern: str) -> list[Path]:
    found = (path for path in sorted(folder.glob(pattern)) if (path / provenance.FILE_NAME).is_file())
    return [path for path in found if provenance.is_current(path) and provenance.is_current(path.parent)]


if __name__ == "__main__":
    cli.run(main)
