"""Write a trained model in the formats of Hugging Face, torchaudio and fairseq, each into a folder of its own."""

import logging
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.config import read_yaml
from hubert_iter.models.settings import DESCRIPTION, MEL
from hubert_iter.provenance import Product

log = logging.getLogger(__name__)


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of a trained model")
    formats = ("huggingface", "torchaudio", "fairseq")
    parser.add_argument("--formats", required=True, nargs="+", choices=formats, help="whose formats")
    parser.add_argument("--out", type=Path, required=True, help="folder to write <format>/ into")
    args = parser.parse_args(argv)
    description = args.model / DESCRIPTION
    if description.is_file() and read_yaml(description)["model"].get("front_end") == MEL:
        log.info("%s: left out: its log-mel frames are in no other library. Load it with hubert_iter", args.model)
        return
    for name in args.formats:
        product = Product(args.out / name, "export", {"format": name}, {"model": args.model})
        if product.done():
            continue

        from hubert_iter.models.convert.export import export  # loads torch: not needed to say "up to date"

        with product.writing() as work:
            export(args.model, name, work)


if __name__ == "__main__":
    cli.run(main)
