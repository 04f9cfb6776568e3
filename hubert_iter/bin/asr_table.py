"""Error rates of all networks of a study in one table: conditions down, with intervals over networks and speakers."""

from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write error_rates.tsv and error_rates.md."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--study", required=True, help="table of runs (YAML)")
    parser.add_argument("--scores", nargs="+", required=True, help="folders made by asr_measure")
    parser.add_argument("--reference", default="random", help="what the others are compared with, or else log-mel")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    folders = [Path(folder) for folder in args.scores]
    inputs = {"study": Path(args.study)} | {f"{each.parents[1].name} {each.name}": each for each in folders}
    product = Product(args.out, "asr_table", {"reference": args.reference}, inputs)
    if product.done():
        return
    from hubert_iter import study
    from hubert_iter.asr import table

    found = table.build(study.read(args.study), folders, args.reference)
    with product.writing() as work:
        table.write(work, found)


if __name__ == "__main__":
    cli.run(main)
