"""Score how much label sets of the same data set agree: every pair's mutual information and conditional entropies."""

import logging
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.errors import UserError
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--labels", nargs="+", required=True, help="two label sets or more: NAME=FOLDER ...")
    parser.add_argument("--out", type=Path, required=True, help="folder for scores.tsv")
    args = parser.parse_args(argv)

    folders = cli.named_folders("--labels", args.labels)
    if len(folders) < 2:
        raise UserError("--labels: expected at least two label sets to compare, found one")
    product = Product(args.out, "score_agreement", {"labels": list(folders)}, folders)
    if product.done():
        return
    from hubert_iter.analysis import agreement
    from hubert_iter.units import labels

    sets = {name: labels.read_labels(folder) for name, folder in folders.items()}
    with product.writing() as work:
        scores = agreement.write(work, sets)
    for (a, b), values in scores.items():
        logging.info("%s and %s: %s", a, b, ", ".join(f"{n} {v:.4g}" for n, v in values.items()))


if __name__ == "__main__":
    cli.run(main)
