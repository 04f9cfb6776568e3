"""Name the layer that a next iteration should cluster, for `targets: ROW@best`: its units say most of phones."""

import logging
import os
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.feats.foreign import locate
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write layer.txt, the layer's name, and shares.json, what units of each layer say."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--model", required=True, help="the teacher, as pool_layers takes it")
    parser.add_argument("--name", required=True, help="the teacher's name, for messages")
    parser.add_argument("--data", type=Path, required=True, help="held-out data directory, not the evaluation set")
    parser.add_argument("--alignments", type=Path, required=True, help="folder with phones.ctm of that set")
    parser.add_argument("--seed", type=int, default=0, help="seed of the frames and of k-means")
    parser.add_argument("--nj", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    cli.add_gpu(parser)
    args = parser.parse_args(argv)
    inputs = {"model": locate(args.model), "data": args.data, "alignments": args.alignments}
    product = Product(args.out, "choose_layer", {"seed": args.seed}, inputs)
    if product.done():
        return

    from hubert_iter.analysis import teacher_layer
    from hubert_iter.analysis.parallel import Workers
    from hubert_iter.data import alignment, datadir
    from hubert_iter.feats.layers import open_model

    phones = alignment.read_ctm(args.alignments / "phones.ctm")
    with product.writing() as work, Workers(args.nj) as workers:
        model, data = open_model(args.model, "cuda" if args.gpu else "cpu"), datadir.read(args.data)
        found = teacher_layer.shares(model, data, phones, args.name, args.seed, workers)
        best = teacher_layer.write(work, found)
    told = ", ".join(f"{layer}: {share:.3f}" for layer, share in found.items())
    logging.info("%s: layer %s is clustered; share of phones in units of layer %s", args.name, best, told)


if __name__ == "__main__":
    cli.run(main)
