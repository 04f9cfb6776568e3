"""Compute one part of a data set's MFCC (39-d, 100 Hz); merge_mfcc joins the parts."""

import logging
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.feats import mfcc_folders, parts


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--out", type=Path, required=True, help="folder of the merged features; parts go to OUT.parts")
    parts.add_options(parser)
    args = parser.parse_args(argv)
    parts.check(args.part, args.parts)

    whole = mfcc_folders.merged_product(args.data, args.out)
    product = parts.product(whole, mfcc_folders.PART, args.part, args.parts)
    if not whole.why():
        logging.info("make_mfcc: %s is up to date, nothing to do", args.out)
        return
    if product.done():
        return

    from hubert_iter.feats import mfcc

    with product.writing() as work:
        mfcc.write_part(args.data, work, args.part, args.parts)


if __name__ == "__main__":
    cli.run(main)
