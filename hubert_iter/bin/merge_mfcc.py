"""Join the parts that make_mfcc made into feats.ark, feats.scp and utt2num_frames."""

from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.errors import UserError
from hubert_iter.feats import mfcc_folders, parts


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--out", type=Path, required=True, help="folder of the merged features")
    parser.add_argument("--parts", type=int, default=1, help="number of parts that make_mfcc was run with")
    args = parser.parse_args(argv)
    if args.parts < 1:
        raise UserError(f"--parts: expected at least 1, found {args.parts}")

    product = mfcc_folders.merged_product(args.data, args.out)
    if not product.done():
        from hubert_iter.feats import mfcc

        with product.writing() as work:
            mfcc.merge(args.data, args.out, work, parts.folders(product, mfcc_folders.PART, args.parts))
    parts.remove(args.out)


if __name__ == "__main__":
    cli.run(main)
