"""Score how much label sets of the same data set agree: every pair's mutual information and conditional entropies."""

import logging
from pathlib import Path

from hubert_iter.analysis import agreement
from hubert_iter.bin import cli
from hubert_iter.errors import UserError
from hubert_iter.provenance import Product
from hubert_iter.units import labels


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument(
        "--labels", action="append", required=True, metavar="NAME=FOLDER", help="a label set; give two or more"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for scores.tsv")
    args = parser.parse_args(argv)

    folders = _named(args.labels)
    stage = Product(args.out, "score_agreement", {"labels": list(folders)}, folders)
    if stage.done():
        return
    sets = {name: labels.read_labels(folder) for name, folder in folders.items()}
    with stage.writing() as work:
        scores = agreement.write(work, sets)
    for (a, b), values in scores.items():
        logging.info("%s and %s: %s", a, b, ", ".join(f"{n} {v:.4g}" for n, v in values.items()))


def _named(pairs: list[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for pair in pairs:
        name, equals, folder = pair.partition("=")
        if not (name and equals and folder):
            raise UserError(f"--labels: expected NAME=FOLDER, found '{pair}'")
        if name in folders:
            raise UserError(f"--labels: the name {name} is given twice, for {folders[name]} and {folder}")
        folders[name] = Path(folder)
    if len(folders) < 2:
        raise UserError("--labels: expected at least two label sets to compare, found one")
    return folders


if __name__ == "__main__":
    cli.run(main)
