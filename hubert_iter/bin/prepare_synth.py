"""Make the synthetic corpus: speech by espeak-ng in many voices, with exact phone and word alignments.

Writes the data directories train, valid and eval, each with its audio, phones.ctm and words.ctm. No speaker and no
voice of eval is in train or valid, and no sentence is in two of them. For hours of speech raise --sentences_per_speaker
(about 2.6 s each; when a speaker has said them all, they come again at another rate and pitch) and --num_speakers.
"""

from dataclasses import asdict
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.corpora import espeak, synth
from hubert_iter.provenance import Product

DEFAULT = synth.Plan()


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for train, valid and eval")
    parser.add_argument("--seed", type=int, default=DEFAULT.seed, help="draws voices, sentences, pauses and noise")
    parser.add_argument("--num_speakers", type=int, default=DEFAULT.num_speakers, help="train and eval together")
    parser.add_argument("--eval_speakers", type=int, default=DEFAULT.eval_speakers, help="of these, for eval")
    parser.add_argument(
        "--sentences_per_speaker", type=int, default=DEFAULT.sentences_per_speaker, help="by each speaker of train"
    )
    parser.add_argument(
        "--valid_utterances", type=int, default=DEFAULT.valid_utterances, help="in valid, by the speakers of train"
    )
    parser.add_argument(
        "--valid_lists", type=int, default=DEFAULT.valid_lists, help="lists of ten sentences kept for valid"
    )
    parser.add_argument(
        "--eval_lists",
        type=int,
        default=DEFAULT.eval_lists,
        help="lists of ten sentences kept for eval, where every speaker says them all",
    )
    args = parser.parse_args(argv)

    plan = synth.Plan(**{key: value for key, value in vars(args).items() if key != "out"})
    for name in synth.SETS:
        folder = args.out / name
        settings = asdict(plan) | {
            "set": name,
            "espeak": espeak.version(),
            "sentences": synth.sentences_hash(),
            "folder": str(folder.absolute()),  # wav.scp holds it: a moved folder is made again
        }
        stage = Product(folder, "prepare_synth", settings, {})
        if stage.done():
            continue
        with stage.writing() as work:
            synth.make(plan, name, work, folder)


if __name__ == "__main__":
    cli.run(main)
