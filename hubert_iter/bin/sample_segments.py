"""Draw the phone, word and speaker segments, and the single frames, that every run of a study is scored on."""

from pathlib import Path

from hubert_iter import options
from hubert_iter.analysis import table
from hubert_iter.bin import cli
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write samples.tsv, frames.tsv, speakers.tsv, and facts.json with the classes that were left out."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", required=True, help="data dir of the evaluation set")
    parser.add_argument("--alignments", required=True, help="folder with phones.ctm and words.ctm of that set")
    parser.add_argument("--train_text", required=True, help="transcripts that say which words are frequent")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--analysis", default="default", help="name of a table in conf/analysis, or a file")
    cli.add_conf_dirs(parser)
    args = parser.parse_args(argv)
    analysis = table.read(args.analysis, args.conf_dirs)
    limits, seed = analysis.segments, analysis.splits.seed
    product = Product(
        Path(args.out), "sample_segments", options.shaping(limits) | {"seed": seed},
        {"data": args.data, "alignments": args.alignments, "train_text": args.train_text}, form=3,
    )  # fmt: skip
    if product.done():
        return
    from hubert_iter.analysis import frame_sample, sample
    from hubert_iter.data import alignment, datadir

    with product.writing() as work:
        utterances = datadir.read(args.data).utterances
        phones, words = (alignment.read_ctm(Path(args.alignments) / f"{tier}.ctm") for tier in ("phones", "words"))
        vocabulary = sample.frequent_words(args.train_text, limits.num_words)
        found = sample.candidates(utterances, phones, words, vocabulary, limits)
        sample.write(work, sample.sample(found, limits.sample_sets, seed))
        sample.write_speakers(work, utterances)
        sample.write_facts(work, found)
        frame_sample.write(work, frame_sample.draw(utterances, phones, words, limits.frames, seed))


if __name__ == "__main__":
    cli.run(main)
