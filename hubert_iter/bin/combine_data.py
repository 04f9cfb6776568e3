"""Put several data directories together: no utterance twice; all get segments where some have them."""

from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="data directories to read, two or more")
    parser.add_argument("--out", type=Path, required=True, help="data directory to make")
    args = parser.parse_args(argv)

    inputs = {f"data_{number}": path for number, path in enumerate(args.data, start=1)}
    product = Product(args.out, "combine_data", {}, inputs)
    if product.done():
        return
    from hubert_iter.data import prepared

    with product.writing() as work:
        prepared.write(work, prepared.combine([prepared.read(path) for path in args.data]))


if __name__ == "__main__":
    cli.run(main)
