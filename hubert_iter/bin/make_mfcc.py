"""Compute one part of a data set's MFCC (39-d, 100 Hz); merge_mfcc joins the parts."""

from pathlib import Path

from hubert_iter import parts
from hubert_iter.bin import cli
from hubert_iter.feats import mfcc_folders


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--out", type=Path, required=True, help="folder of the merged features; parts go to OUT.parts")
    parts.add_options(parser, one=True)
    args = parser.parse_args(argv)
    parts.check(args.parts, args.part)

    whole = mfcc_folders.merged_product(args.data, args.out)
    product = parts.product(whole, mfcc_folders.PART, args.part, args.parts)
    if parts.done(product, whole):
        return

    from hubert_iter.feats import mfcc

    with product.writing() as work:
        mfcc.write_part(args.data, work, args.part, args.parts)


if __name__ == "__main__":
    cli.run(main)
