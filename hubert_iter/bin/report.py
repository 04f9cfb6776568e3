"""Write the report of a study: a page, a Markdown summary, tidy tables and figures from all that exists so far."""

import logging
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Parse options, read what there is, write the report's folder."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--study", type=Path, required=True, help="study file (YAML) whose runs are reported")
    parser.add_argument("--expdir", type=Path, required=True, help="exp/<study>: runs, samples, agreement")
    parser.add_argument("--dumpdir", type=Path, required=True, help="dump/<study>: label sets; data is beside it")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--title", default="", help="title of the page; by default made from the study's name")
    parser.add_argument("--data_note", default="", help="what readers must know about the data, shown on top")
    args = parser.parse_args(argv)

    # matplotlib takes a second to import: not needed for --help, nor when nothing changed.
    from hubert_iter.report import read

    sources = read.find(args.study, args.expdir, args.dumpdir)
    title = args.title or f"Study {args.study.stem}: what the layers learn"
    product = Product(args.out, "report", {"title": title, "data_note": args.data_note}, sources.inputs())
    if not product.done():
        from hubert_iter.report.write import write

        results = read.read(sources)
        with product.writing() as work:
            write(results, work, title, args.data_note)
    logging.info("Report: %s", args.out / "index.html")


if __name__ == "__main__":
    cli.run(main)
