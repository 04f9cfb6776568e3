"""Prepare a Kaldi data directory from parts of LibriSpeech, with validation utterances split off if asked (stage 1)."""

from contextlib import ExitStack
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.corpora import librispeech
from hubert_iter.data import datadir
from hubert_iter.data.split import split
from hubert_iter.errors import UserError
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Read the corpus, write one data directory, or two that share no utterance."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="the folder LibriSpeech, or the one that holds it")
    parser.add_argument("--parts", nargs="*", required=True, help="one or more: train-clean-100 train-clean-360")
    parser.add_argument("--out", type=Path, required=True, help="data directory to make")
    parser.add_argument("--valid_out", type=Path, help="data directory of the validation utterances split off")
    parser.add_argument("--num_valid", type=int, default=0, help="number of validation utterances to split off")
    parser.add_argument("--seed", type=int, default=0, help="chooses the validation utterances")
    args = parser.parse_args(argv)
    if (args.valid_out is None) != (args.num_valid == 0):
        raise UserError("expected --valid_out and --num_valid together, found one of them")

    folders = librispeech.part_folders(args.corpus, args.parts)
    settings = {"parts": sorted(folders)}
    if args.valid_out is not None:
        settings |= {"num_valid": args.num_valid, "seed": args.seed}
    outs = {"train": args.out} | ({"valid": args.valid_out} if args.valid_out is not None else {})
    products = {
        role: Product(out, "prepare_librispeech", settings | {"role": role}, folders) for role, out in outs.items()
    }
    if all([product.done() for product in products.values()]):
        return
    with ExitStack() as stack:
        works = {role: stack.enter_context(product.writing()) for role, product in products.items()}
        corpus = librispeech.read(args.corpus, sorted(folders))
        ids = [utterance.id for utterance in corpus.utterances]
        chosen = {"train": ids}
        if args.valid_out is not None:
            chosen = dict(zip(("train", "valid"), split(ids, args.num_valid, args.seed), strict=True))
        for role, work in works.items():
            wanted = set(chosen[role])
            datadir.write(work, [u for u in corpus.utterances if u.id in wanted], corpus.text, corpus.genders)


if __name__ == "__main__":
    cli.run(main)
