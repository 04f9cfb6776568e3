"""Tokens of a recogniser: phones of alignments, characters, or subword units, and each data set's transcripts."""

from pathlib import Path

from hubert_iter.asr import tokens
from hubert_iter.bin import cli
from hubert_iter.data import datadir
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write tokens.txt, unit.json, bpe.model and <set>/text."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--unit", required=True, choices=tokens.UNITS, help="what is recognised")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="data directories, that of training first")
    parser.add_argument("--alignments", type=Path, help="for phones: folder with a folder of each set's name")
    parser.add_argument("--nbpe", type=int, default=100, help="number of subword units")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    phones = args.unit == tokens.PHONE
    settings = {"unit": args.unit} | ({"nbpe": args.nbpe} if args.unit == tokens.SUBWORD else {})
    inputs = {f"data {path.name}": path for path in args.data}
    if phones:
        inputs |= {f"alignments {path.name}": args.alignments / path.name for path in args.data}
    product = Product(args.out, "asr_tokens", settings, inputs)
    if product.done():
        return
    texts = {}
    for path in args.data:
        data = datadir.read(path, transcripts=True)
        texts[path.name] = tokens.phones(data, args.alignments / path.name) if phones else tokens.words(data)
    with product.writing() as work:
        tokens.write(work, args.unit, texts, args.nbpe)


if __name__ == "__main__":
    cli.run(main)
