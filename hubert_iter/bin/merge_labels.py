"""Join the parts that make_labels made into labels.ark, labels.scp and utt2num_frames."""

from hubert_iter.bin import cli, make_labels
from hubert_iter.feats import parts, source


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    make_labels.add_options(parser)
    args = parser.parse_args(argv)
    parts.check(1, args.parts)

    product = make_labels.whole_product(args, source.from_arguments(args))
    if not product.done():
        from hubert_iter.data import datadir
        from hubert_iter.feats import archive
        from hubert_iter.units import labels

        folders = parts.folders(product, make_labels.PART, args.parts)
        with product.writing() as work:
            archive.merge(folders, work, labels.NAME, args.out)
            found = archive.read_lengths(work / "utt2num_frames")
            parts.check_complete(found, (each.id for each in datadir.read(args.data).utterances), args.out)
    parts.remove(args.out)


if __name__ == "__main__":
    cli.run(main)
