"""Draw the phone, word and speaker segments that every run of a study is scored on."""

from pathlib import Path

from hubert_iter.analysis import sample
from hubert_iter.bin import cli
from hubert_iter.data import alignment, datadir
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write samples.tsv, speakers.tsv, and facts.json with the classes that were left out."""
    limits = sample.Limits()
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", required=True, help="data dir of the evaluation set")
    parser.add_argument("--alignments", required=True, help="folder with phones.ctm and words.ctm of that set")
    parser.add_argument("--train_text", required=True, help="transcripts that say which words are frequent")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw")
    parser.add_argument("--max_per_phone", type=int, default=limits.max_per_phone, help="instances per phone")
    parser.add_argument("--num_words", type=int, default=limits.num_words, help="how many frequent training words")
    parser.add_argument("--max_per_word", type=int, default=limits.max_per_word, help="instances per word")
    parser.add_argument("--min_per_word", type=int, default=limits.min_per_word, help="words with fewer are left out")
    parser.add_argument("--max_per_speaker", type=int, default=limits.max_per_speaker, help="instances per speaker")
    parser.add_argument(
        "--speaker_chunk_seconds", type=float, default=limits.speaker_chunk_seconds,
        help="0: a speaker's instances are whole utterances; above: chunks of this length",
    )  # fmt: skip
    parser.add_argument("--sample_sets", type=int, default=limits.sample_sets, help="independent draws")
    args = parser.parse_args(argv)
    limits = sample.Limits(**{name: getattr(args, name) for name in sample.Limits.__dataclass_fields__})
    # What phone_core does is a setting, so that samples drawn while it kept the first of two frames are drawn again.
    stage = Product(
        Path(args.out), "sample_segments", vars(limits) | {"seed": args.seed, "phone_of_two_frames": "second"},
        {"data": args.data, "alignments": args.alignments, "train_text": args.train_text},
    )  # fmt: skip
    if stage.done():
        return
    with stage.writing() as work:
        utterances = datadir.read(args.data).utterances
        found = sample.candidates(
            utterances,
            alignment.read_ctm(Path(args.alignments) / "phones.ctm"),
            alignment.read_ctm(Path(args.alignments) / "words.ctm"),
            sample.frequent_words(args.train_text, limits.num_words),
            limits,
        )
        sample.write(work, sample.sample(found, limits.sample_sets, args.seed))
        sample.write_speakers(work, utterances)
        sample.write_facts(work, found)


if __name__ == "__main__":
    cli.run(main)
