"""Join the parts that make_labels made into labels.ark, labels.scp and utt2num_frames."""

from hubert_iter import parts
from hubert_iter.bin import cli, make_labels
from hubert_iter.feats import source


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    make_labels.add_options(parser)
    args = parser.parse_args(argv)
    parts.check(args.parts)

    product = make_labels.whole_product(args, source.from_arguments(args))
    if not product.done():
        from hubert_iter.units import labels

        with product.writing() as work:
            parts.join(product, make_labels.PART, args.parts, labels.NAME, args.data, work)
    parts.remove(args.out, args.parts)


if __name__ == "__main__":
    cli.run(main)
