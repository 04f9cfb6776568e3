"""Draw one part of the frames that k-means is fitted on; fit_kmeans --parts reads them all, and removes them."""

from hubert_iter import parts
from hubert_iter.bin import cli, fit_kmeans
from hubert_iter.feats import source
from hubert_iter.randomness import kmeans_seed


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    fit_kmeans.add_options(parser, one=True)
    args = parser.parse_args(argv)
    parts.check(args.parts, args.part)
    fit_kmeans.check(args)

    features = source.from_arguments(args)
    whole = fit_kmeans.whole_product(args, features)
    product = parts.product(fit_kmeans.sampled_product(args, whole), fit_kmeans.PART, args.part, args.parts)
    if parts.done(product, whole):
        return

    from hubert_iter.units import sampling

    chosen = fit_kmeans.chosen_utterances(args, features)
    part = [utt.id for utt in parts.share(chosen, args.part, args.parts)]
    seed = kmeans_seed(args.seed, args.replicate)
    with product.writing() as work:
        frames = sampling.sample_frames(features, [utt.id for utt in chosen], seed, args.max_memory_gb, part)
        sampling.write(work, frames)


if __name__ == "__main__":
    cli.run(main)
