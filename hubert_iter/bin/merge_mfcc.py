"""Join the parts that make_mfcc made into feats.ark, feats.scp and utt2num_frames."""

import logging
from pathlib import Path

from hubert_iter import parts
from hubert_iter.bin import cli
from hubert_iter.feats import mfcc_folders
from hubert_iter.frames import MFCC_SHIFT, hours

log = logging.getLogger(__name__)


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--out", type=Path, required=True, help="folder of the merged features")
    parts.add_options(parser)
    args = parser.parse_args(argv)
    parts.check(args.parts)

    product = mfcc_folders.merged_product(args.data, args.out)
    if not product.done():
        with product.writing() as work:
            frames = parts.join(product, mfcc_folders.PART, args.parts, mfcc_folders.NAME, args.data, work)
        log.info("MFCC of %s: %d frames, %.2f h", args.data, frames, hours(frames * MFCC_SHIFT))
    parts.remove(args.out, args.parts)


if __name__ == "__main__":
    cli.run(main)
