"""Score labels: purities and PNMI of aligned phones, share of the speaker's entropy, used clusters, run length."""

import logging
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="labels folder of one data set")
    parser.add_argument("--data", type=Path, required=True, help="that data set's data directory")
    parser.add_argument("--alignments", type=Path, required=True, help="that data set's folder with phones.ctm")
    parser.add_argument("--name", required=True, help="what the scores call these labels, as mfcc_k100")
    parser.add_argument("--out", type=Path, required=True, help="folder for scores.tsv and confusion.tsv")
    args = parser.parse_args(argv)

    inputs = {"labels": args.labels, "data": args.data, "alignments": args.alignments}
    product = Product(args.out, "score_labels", {"name": args.name, "set": args.labels.name}, inputs, form=3)
    if product.done():
        return
    from hubert_iter.data import alignment, datadir
    from hubert_iter.units import labels, quality

    units, data = labels.read_labels(args.labels), datadir.read(args.data)
    labels.verify(units, data)
    counts = quality.count(units, data, alignment.read_ctm(args.alignments / "phones.ctm"))
    with product.writing() as work:
        scores = quality.write(work, args.name, args.labels.name, counts)
    logging.info("%s on %s: %s", args.name, args.labels.name, ", ".join(f"{n} {v:.4g}" for n, v in scores.items()))


if __name__ == "__main__":
    cli.run(main)
