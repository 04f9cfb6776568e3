"""Error rates of what was recognised: phones, or words and characters, by evaluation speaker."""

from pathlib import Path

from hubert_iter.asr import scoring, tokens
from hubert_iter.bin import cli
from hubert_iter.data import datadir
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write errors.tsv."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--decoded", type=Path, required=True, help="folder made by asr_decode")
    parser.add_argument("--tokens", type=Path, required=True, help="folder made by asr_tokens, with the reference")
    parser.add_argument("--data", type=Path, required=True, help="data directory, for its speakers")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    inputs = {"decoded": args.decoded, "tokens": args.tokens, "data": args.data}
    product = Product(args.out, "asr_score", {}, inputs)
    if product.done():
        return
    known, data = tokens.read(args.tokens), datadir.read(args.data)
    speakers = {utterance.id: utterance.speaker for utterance in data.utterances}
    found = tokens.read_text(args.decoded / tokens.TEXT)
    with product.writing() as work:
        scoring.write(work, scoring.count(known.text(args.data.name), found, speakers, known.unit))


if __name__ == "__main__":
    cli.run(main)
