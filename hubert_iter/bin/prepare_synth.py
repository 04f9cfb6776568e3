"""Make the synthetic corpus: speech by espeak-ng in many voices, with exact phone and word alignments.

Writes the data directories train, valid and eval, each with its audio, phones.ctm and words.ctm. No speaker and no
voice of eval is in train or valid, and no sentence is in two of them. For hours of speech raise --sentences_per_speaker
(about 2.6 s each; when a speaker has said them all, they come again at another rate and pitch) and --num_speakers.
"""

from pathlib import Path

from hubert_iter import options
from hubert_iter.bin import cli
from hubert_iter.corpora import espeak, synth
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for train, valid and eval")
    options.add_arguments(parser, synth.Plan)
    args = parser.parse_args(argv)

    plan = options.from_arguments(synth.Plan, args)
    for name in synth.SETS:
        folder = args.out / name
        settings = options.shaping(plan) | {
            "set": name,
            "espeak": espeak.version(),
            "sentences": synth.sentences_hash(),
            "folder": str(folder.absolute()),  # wav.scp holds it: a moved folder is made again
        }
        product = Product(folder, "prepare_synth", settings, {})
        if product.done():
            continue
        with product.writing() as work:
            synth.make(plan, name, work, folder)


if __name__ == "__main__":
    cli.run(main)
