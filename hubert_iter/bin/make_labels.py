"""Label a data set: each frame's nearest k-means centroid, at 50 Hz."""

from pathlib import Path

from hubert_iter import provenance
from hubert_iter.bin import cli
from hubert_iter.data import datadir
from hubert_iter.errors import UserError
from hubert_iter.feats import source
from hubert_iter.frames import FRAME_RATE
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data directory to label")
    parser.add_argument("--kmeans", type=Path, required=True, help="folder that fit_kmeans made")
    parser.add_argument("--out", type=Path, required=True, help="folder for labels.ark and labels.scp")
    source.add_options(parser)
    args = parser.parse_args(argv)

    features = source.open_source(args.data, args.mfcc, args.model, args.tap, args.normalise)
    fitted = provenance.read(args.kmeans)["settings"]
    settings = {"rate": FRAME_RATE, "k": fitted.get("k"), "features": features.describe()}
    if "replicate" in fitted:
        settings["replicate"] = fitted["replicate"]
    inputs = {"kmeans": args.kmeans, "data": args.data} | features.inputs()
    product = Product(args.out, "make_labels", settings, inputs)
    if product.done():
        return

    from hubert_iter.units import kmeans, labels  # load faiss

    labels.check_features(features, args.kmeans)
    centroids = kmeans.load(args.kmeans)
    if len(centroids) != settings["k"]:
        raise UserError(
            f"{args.kmeans}: expected {settings['k']} centroids as its provenance says, found {len(centroids)}. Fit "
            "again (stage 5)"
        )
    data = datadir.read(args.data)
    source.check_utterances(features, [utt.id for utt in data.utterances])
    with product.writing() as work:
        labels.make(features, data, centroids, work, args.out)


if __name__ == "__main__":
    cli.run(main)
