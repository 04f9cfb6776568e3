"""Join the parts that pool_layers made into one folder of layers."""

from hubert_iter import parts
from hubert_iter.bin import cli, pool_layers


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    pool_layers.add_options(parser)
    args = parser.parse_args(argv)
    parts.check(args.parts)

    product = pool_layers.whole_product(args)
    if not product.done():
        from hubert_iter.analysis import pool
        from hubert_iter.data import datadir

        folders = parts.folders(product, pool_layers.PART, args.parts)
        utterances = datadir.read(args.data).utterances
        shares = [parts.share(utterances, part, args.parts) for part in range(1, args.parts + 1)]
        with product.writing() as work:
            pool.join(folders, shares, pool.read_spans(args.samples), work)
    parts.remove(args.out, args.parts)


if __name__ == "__main__":
    cli.run(main)
