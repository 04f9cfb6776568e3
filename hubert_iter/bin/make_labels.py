"""Label a data set, or a part of it: each frame's nearest k-means centroid, at 50 Hz. merge_labels joins parts."""

from argparse import Namespace
from pathlib import Path

from hubert_iter import parts, provenance
from hubert_iter.bin import cli
from hubert_iter.data import datadir
from hubert_iter.errors import UserError
from hubert_iter.feats import source
from hubert_iter.feats.source import FeatureSource
from hubert_iter.frames import FRAME_RATE
from hubert_iter.provenance import Product

PART = "make_labels part"
"""Who makes a part."""


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    add_options(parser, one=True)
    args = parser.parse_args(argv)
    parts.check(args.parts, args.part)

    features = source.from_arguments(args)
    whole = whole_product(args, features)
    product = whole if args.parts == 1 else parts.product(whole, PART, args.part, args.parts)
    if parts.done(product, whole):
        return

    from hubert_iter.units import kmeans, labels  # load faiss

    labels.check_features(features, args.kmeans)
    centroids = kmeans.load(args.kmeans)
    if len(centroids) != whole.settings["k"]:
        raise UserError(
            f"{args.kmeans}: expected {whole.settings['k']} centroids as its provenance says, found {len(centroids)}. "
            "Fit again (stage 5)"
        )
    utterances = parts.share(datadir.read(args.data).utterances, args.part, args.parts)
    source.check_utterances(features, [utt.id for utt in utterances])
    with product.writing() as work:
        labels.make(features, utterances, centroids, work, args.out)


def add_options(parser: cli.ArgumentParser, one: bool = False) -> None:
    """Add what says which labels they are, and with `one` which part; merge_labels takes the same."""
    parser.add_argument("--data", type=Path, required=True, help="data directory to label")
    parser.add_argument("--kmeans", type=Path, required=True, help="folder that fit_kmeans made")
    parser.add_argument("--out", type=Path, required=True, help="folder for labels.ark and labels.scp")
    parts.add_options(parser, one)
    source.add_options(parser)
    cli.add_gpu(parser)


def whole_product(args: Namespace, features: FeatureSource) -> Product:
    """The labels of the whole data set: the same whatever the number of parts."""
    fitted = provenance.read(args.kmeans)["settings"]
    settings = {"rate": FRAME_RATE, "k": fitted.get("k"), "features": features.describe()}
    if "replicate" in fitted:
        settings["replicate"] = fitted["replicate"]
    inputs = {"kmeans": args.kmeans, "data": args.data} | features.inputs()
    return Product(args.out, "make_labels", settings, inputs)


if __name__ == "__main__":
    cli.run(main)
