"""Fit k-means on a seeded sample of the training set's features: MFCC, or a tap of a trained model; or take somebody's
own centroids."""

import logging
import time
from argparse import Namespace
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.data import datadir
from hubert_iter.errors import UserError
from hubert_iter.feats import source
from hubert_iter.provenance import Product
from hubert_iter.randomness import kmeans_seed


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the training set's data directory, no other")
    parser.add_argument("--out", type=Path, required=True, help="folder for kmeans.npz")
    source.add_options(parser)
    cli.add_gpu(parser)
    parser.add_argument("--k", type=int, default=100, help="number of clusters")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample and of the fit")
    parser.add_argument(
        "--replicate", type=int, default=1, help="replicate of the run; each has its own sample and fit"
    )
    parser.add_argument("--portion", type=float, default=0.1, help="share of the utterances to fit on")
    parser.add_argument("--max_memory_gb", type=float, default=4.0, help="frames are sampled down to fit into this")
    parser.add_argument(
        "--centroids", type=Path, help="file of centroids to take instead: npz, npy or scikit-learn's by joblib"
    )
    args = parser.parse_args(argv)
    if args.k < 2:
        raise UserError(f"--k: expected at least 2 clusters, found {args.k}")
    if args.max_memory_gb <= 0:
        raise UserError(f"--max_memory_gb: expected more than 0, found {args.max_memory_gb}")

    features = source.from_arguments(args)
    if args.centroids:
        _take(args, features)
        return
    settings = {
        "k": args.k,
        "seed": args.seed,
        "replicate": args.replicate,
        "portion": args.portion,
        "features": features.describe(),
    }
    product = Product(args.out, "fit_kmeans", settings, {"data": args.data} | features.inputs())
    if product.done():
        return

    from hubert_iter.units import kmeans  # loads faiss

    began = time.monotonic()
    utts = [utt.id for utt in datadir.read(args.data).utterances]
    source.check_utterances(features, utts)
    with product.writing() as work:
        result, facts = kmeans.fit_source(
            features, utts, args.k, kmeans_seed(args.seed, args.replicate), args.portion, args.max_memory_gb
        )
        kmeans.save(work, result, facts)
    logging.info(
        "k-means: inertia %.4f per frame, %d of %d clusters used, %d batches, %.1f s in all",
        result.inertia, result.used_clusters, args.k, result.batches, time.monotonic() - began,
    )  # fmt: skip


def _take(args: Namespace, features: source.FeatureSource) -> None:
    """Somebody's own centroids in the place of a fit."""
    settings = {"k": args.k, "replicate": args.replicate, "features": features.describe()}
    inputs = {"centroids": args.centroids} | features.inputs()
    product = Product(args.out, "fit_kmeans", settings, inputs)
    if product.done():
        return

    from hubert_iter.units import foreign_kmeans, kmeans  # load numpy and faiss

    centroids = foreign_kmeans.read(args.centroids)
    if len(centroids) != args.k:
        raise UserError(f"{args.centroids}: expected {args.k} centroids as the study's k says, found {len(centroids)}")
    with product.writing() as work:
        kmeans.write(work, centroids)
    logging.info("k-means: %d centroids of %d dimensions from %s", *centroids.shape, args.centroids)


if __name__ == "__main__":
    cli.run(main)
