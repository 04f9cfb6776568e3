"""Join the parts that make_alignments made."""

from hubert_iter import parts
from hubert_iter.bin import cli, make_alignments


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    make_alignments.add_options(parser)
    args = parser.parse_args(argv)
    parts.check(args.parts)

    product = make_alignments.whole_product(args)
    if not product.done():
        from hubert_iter.corpora import made_alignments
        from hubert_iter.data import datadir

        with product.writing() as work:
            made_alignments.join(parts.folders(product, make_alignments.PART, args.parts), work)
        made_alignments.tell(args.out, len(datadir.read(args.data)))
    parts.remove(args.out, args.parts)


if __name__ == "__main__":
    cli.run(main)
