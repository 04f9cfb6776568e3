"""Write a trained model in the format of Hugging Face, torchaudio or fairseq."""

from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of a trained model")
    formats = ("huggingface", "torchaudio", "fairseq")
    parser.add_argument("--format", required=True, choices=formats, help="whose format")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    product = Product(args.out, "export", {"format": args.format}, {"model": args.model})
    if product.done():
        return

    from hubert_iter.models.convert.export import export  # loads torch: not needed to say "up to date"

    with product.writing() as work:
        export(args.model, args.format, work)


if __name__ == "__main__":
    cli.run(main)
