"""Fit k-means on a seeded sample of the training set's features: MFCC, or a tap of a trained model; or take somebody's
own centroids. With --parts the sample is read from the parts that sample_frames made."""

import logging
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from hubert_iter import parts
from hubert_iter.bin import cli
from hubert_iter.data import datadir
from hubert_iter.errors import UserError
from hubert_iter.feats import source
from hubert_iter.provenance import Product
from hubert_iter.randomness import kmeans_seed

PART = "sample_frames"
"""Who makes a part of the sample."""


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    add_options(parser)
    parser.add_argument(
        "--centroids", type=Path, help="file of centroids to take instead: npz, npy or scikit-learn's by joblib"
    )
    args = parser.parse_args(argv)
    check(args)
    features = source.from_arguments(args)
    if args.centroids:
        _take(args, features)
        return
    product = whole_product(args, features)
    if not product.done():
        _fit(args, features, product)
    parts.remove(args.out, args.parts)


def add_options(parser: cli.ArgumentParser, one: bool = False) -> None:
    """Add what says which frames are clustered, and with `one` which part; sample_frames takes the same."""
    parser.add_argument("--data", type=Path, required=True, help="the training set's data directory, no other")
    parser.add_argument("--out", type=Path, required=True, help="folder for kmeans.npz")
    source.add_options(parser)
    cli.add_gpu(parser)
    parts.add_options(parser, one)
    parser.add_argument("--k", type=int, default=100, help="number of clusters")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample and of the fit")
    parser.add_argument(
        "--replicate", type=int, default=1, help="replicate of the run; each has its own sample and fit"
    )
    parser.add_argument("--portion", type=float, default=0.1, help="share of the utterances to fit on")
    parser.add_argument("--max_memory_gb", type=float, default=4.0, help="frames are sampled down to fit into this")


def check(args: Namespace) -> None:
    """Refuse what can be told to be wrong before anything is read."""
    if args.k < 2:
        raise UserError(f"--k: expected at least 2 clusters, found {args.k}")
    if not 0 < args.max_memory_gb < float("inf"):
        raise UserError(f"--max_memory_gb: expected more than 0, found {args.max_memory_gb}")


def whole_product(args: Namespace, features: source.FeatureSource) -> Product:
    """The fit, the same whatever the number of parts."""
    settings = {
        "k": args.k,
        "seed": args.seed,
        "replicate": args.replicate,
        "portion": args.portion,
        "features": features.describe(),
    }
    return Product(args.out, "fit_kmeans", settings, {"data": args.data} | features.inputs())


def sampled_product(args: Namespace, whole: Product) -> Product:
    """The sample, of which parts are made: parts that another budget drew do not fit together."""
    return replace(whole, settings={**whole.settings, "max_memory_gb": args.max_memory_gb})


def chosen_utterances(args: Namespace, features: source.FeatureSource) -> list[datadir.Utterance]:
    """The utterances whose frames are clustered."""
    from hubert_iter.units import sampling

    utterances = datadir.read(args.data).utterances
    source.check_utterances(features, [utt.id for utt in utterances])
    return sampling.choose_utterances(utterances, args.portion, kmeans_seed(args.seed, args.replicate))


def _fit(args: Namespace, features: source.FeatureSource, product: Product) -> None:
    from hubert_iter.units import kmeans, sampling  # loads faiss

    began, seed = time.monotonic(), kmeans_seed(args.seed, args.replicate)
    chosen = [utt.id for utt in chosen_utterances(args, features)]
    with product.writing() as work:
        if args.parts == 1:
            frames = sampling.sample_frames(features, chosen, seed, args.max_memory_gb)
        else:
            frames = sampling.join(parts.folders(sampled_product(args, product), PART, args.parts))
        logging.info("k-means: fitting k=%d on %d frames x %d of %s", args.k, *frames.shape, features.path)
        result = kmeans.fit(frames, args.k, seed)
        available = sum(features.num_frames(utt) for utt in chosen)
        kmeans.save(work, result, {"utterances": len(chosen), "frames": len(frames), "available_frames": available})
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
