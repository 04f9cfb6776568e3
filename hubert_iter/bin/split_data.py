"""Split a data directory in two: speakers, drawn by a seed or listed, or utterances; and the rest."""

from contextlib import ExitStack
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.errors import UserError, summarise
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory to read")
    parser.add_argument("--out", type=Path, required=True, help="data directory to make of the chosen")
    parser.add_argument("--rest", type=Path, required=True, help="data directory to make of all others")
    parser.add_argument("--speakers", type=int, default=0, help="choose so many speakers, with all they say")
    parser.add_argument("--speaker_list", type=Path, help="choose the speakers of this file, one a line")
    parser.add_argument("--utterances", type=int, default=0, help="choose so many utterances, of any speakers")
    parser.add_argument("--seed", type=int, default=0, help="draws speakers or utterances")
    args = parser.parse_args(argv)
    given = {name: getattr(args, name) for name in ("speakers", "speaker_list", "utterances") if getattr(args, name)}
    if len(given) != 1:
        raise UserError(
            f"expected one of --speakers, --speaker_list and --utterances, found {', '.join(given) or 'none'}"
        )

    settings = {"speakers": args.speakers, "utterances": args.utterances, "seed": args.seed}
    inputs = {"data": args.data} | ({"speaker_list": args.speaker_list} if args.speaker_list else {})
    products = [
        Product(folder, "split_data", settings | {"role": role}, inputs)
        for role, folder in (("chosen", args.out), ("rest", args.rest))
    ]
    if all([product.done() for product in products]):
        return
    from hubert_iter.data import prepared

    with ExitStack() as stack:
        works = [stack.enter_context(product.writing()) for product in products]
        data = prepared.read(args.data)
        chosen = _chosen(data.speakers, args)
        for work, keep in zip(works, (True, False), strict=True):
            prepared.write(work, prepared.select(data, [key for key in data.utterances if (key in chosen) == keep]))


def _chosen(speakers: dict[str, str], args) -> set[str]:
    """The utterances chosen."""
    from hubert_iter.data.split import split
    from hubert_iter.data.tables import read_lines

    if args.utterances:
        return set(split(speakers, args.utterances, args.seed, "utterances", "--utterances")[1])
    known = set(speakers.values())
    if args.speakers:
        wanted = set(split(known, args.speakers, args.seed, "speakers", "--speakers")[1])
    else:
        wanted = {line.strip() for line in read_lines(args.speaker_list) if line.strip()}
        unknown = sorted(wanted - known)
        if unknown:
            raise UserError(f"{args.speaker_list}: {summarise(unknown)}: expected speakers of {args.data}")
        if not wanted or wanted == known:
            count = f"{len(wanted)} of {len(known)} speakers"
            raise UserError(f"{args.speaker_list}: expected some but not all speakers of {args.data}, found {count}")
    return {utterance for utterance, speaker in speakers.items() if speaker in wanted}


if __name__ == "__main__":
    cli.run(main)
