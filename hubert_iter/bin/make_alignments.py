"""Make phone and word alignments of English speech with pocketsphinx, for a corpus that has none.

Writes phones.ctm and words.ctm, which align_data reads by --ctm_dir; missing.txt, utterances without an alignment and
why; guessed.dict, the words that the dictionary lacks, as they were pronounced. merge_alignments joins parts.
"""

from argparse import Namespace
from pathlib import Path

from hubert_iter import parts
from hubert_iter.bin import cli
from hubert_iter.provenance import Product

PART = "make_alignments part"
"""Who makes a part."""


def main(argv=None) -> None:
    """Align the whole set, or a part of it."""
    parser = cli.ArgumentParser(__doc__)
    add_options(parser, one=True)
    args = parser.parse_args(argv)
    parts.check(args.parts, args.part)
    whole = whole_product(args)
    product = whole if args.parts == 1 else parts.product(whole, PART, args.part, args.parts)
    if parts.done(product, whole):
        return
    from hubert_iter.corpora import aligner, made_alignments
    from hubert_iter.data import datadir

    data = datadir.read(args.data, transcripts=True)
    utterances = parts.share(data.utterances, args.part, args.parts)
    with product.writing() as work, aligner.Aligner(args.lexicon, args.guess) as found:
        made_alignments.write(work, aligner.align(utterances, data.text, found))
    if args.parts == 1:
        made_alignments.tell(args.out, len(data))


def add_options(parser: cli.ArgumentParser, one: bool = False) -> None:
    """Add what says which alignments they are, and with `one` which part; merge_alignments takes the same."""
    parser.add_argument("--data", type=Path, required=True, help="filtered data directory, with text")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--lexicon", default="", help="pronunciations that go first: lines '<word> <phone> ...'")
    parser.add_argument(
        "--guess", type=cli.true_or_false, default=True,
        help="pronounce words that the dictionary lacks by rule; false leaves out their utterances",
    )  # fmt: skip
    parts.add_options(parser, one)


def whole_product(args: Namespace) -> Product:
    """The alignments of the whole set: the same whatever the number of parts."""
    from hubert_iter.corpora import aligner

    settings = {"aligner": aligner.version(), "guess": args.guess}
    inputs = {"data": args.data} | ({"lexicon": Path(args.lexicon)} if args.lexicon else {})
    return Product(args.out, "make_alignments", settings, inputs)


if __name__ == "__main__":
    cli.run(main)
