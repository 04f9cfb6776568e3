"""An n-gram model of a recogniser's tokens, trained on the training set's transcripts, for beam search."""

from pathlib import Path

from hubert_iter.asr import ngram, tokens
from hubert_iter.bin import cli
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write ngram.arpa."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--tokens", type=Path, required=True, help="folder made by asr_tokens")
    parser.add_argument("--set", required=True, help="name of the training set")
    parser.add_argument("--order", type=int, default=4, help="longest n-gram")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    product = Product(args.out, "asr_ngram", {"order": args.order, "set": args.set}, {"tokens": args.tokens})
    if product.done():
        return
    from espnet2.text.build_tokenizer import build_tokenizer

    known = tokens.read(args.tokens)
    model = str(args.tokens / tokens.MODEL)
    tokenizer = build_tokenizer(tokens.TOKEN_TYPES[known.unit], bpemodel=model)
    sentences = [tokenizer.text2tokens(line) for line in known.text(args.set).values()]
    vocabulary = (args.tokens / tokens.LIST).read_text(encoding="utf-8").split("\n")[1:-2]
    with product.writing() as work:
        ngram.write_arpa(work / "ngram.arpa", ngram.train(sentences, args.order, vocabulary))


if __name__ == "__main__":
    cli.run(main)
