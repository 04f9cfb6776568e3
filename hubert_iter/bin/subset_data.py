"""Make a smaller data directory: N utterances, or hours, or N utterances of each speaker, drawn by a seed."""

from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.errors import UserError
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory to read")
    parser.add_argument("--out", type=Path, required=True, help="data directory to make")
    parser.add_argument("--utterances", type=int, default=0, help="how many utterances; 0 for no limit")
    parser.add_argument("--hours", type=float, default=0.0, help="at most so many hours; 0 for no limit")
    parser.add_argument("--per_speaker", type=int, default=0, help="at most so many of each speaker; 0 for no limit")
    parser.add_argument("--seed", type=int, default=0, help="draws the utterances")
    args = parser.parse_args(argv)
    limits = {"utterances": args.utterances, "hours": args.hours, "per_speaker": args.per_speaker}
    if min(limits.values()) < 0 or not any(limits.values()):
        raise UserError(f"expected --utterances, --hours or --per_speaker above 0, found {limits}")

    product = Product(args.out, "subset_data", limits | {"seed": args.seed}, {"data": args.data})
    if product.done():
        return
    from hubert_iter.data import prepared
    from hubert_iter.data.split import thin

    with product.writing() as work:
        data = prepared.read(args.data)
        chosen = thin(
            data.speakers, args.seed, args.per_speaker, args.utterances, 3600 * args.hours, data.seconds
        )  # fmt: skip
        prepared.write(work, prepared.select(data, chosen))


if __name__ == "__main__":
    cli.run(main)
