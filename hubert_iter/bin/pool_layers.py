"""Run a model once over the evaluation set, or a part of it; keep the mean of each sampled segment, and each sampled
frame, by layer. merge_layers joins parts."""

from argparse import Namespace
from pathlib import Path

from hubert_iter import parts, provenance
from hubert_iter.bin import cli
from hubert_iter.feats import baselines
from hubert_iter.feats.foreign import locate
from hubert_iter.provenance import Product

PART = "pool_layers part"
"""Who makes a part."""


def main(argv=None) -> None:
    """Write one array per property and sample set, one of frames, and layers.json."""
    parser = cli.ArgumentParser(__doc__)
    add_options(parser, one=True)
    args = parser.parse_args(argv)
    parts.check(args.parts, args.part)
    whole = whole_product(args)
    product = whole if args.parts == 1 else parts.product(whole, PART, args.part, args.parts)
    if parts.done(product, whole):
        return
    from hubert_iter.analysis import pool
    from hubert_iter.data import datadir
    from hubert_iter.feats.layers import open_model

    with product.writing() as work:
        model = open_model(args.model, "cuda" if args.gpu else "cpu")
        facts = {"updates": model.description.get("updates", 0)}
        if "model" in whole.inputs:
            facts["id"] = provenance.identity(whole.inputs["model"])
        data = datadir.read(args.data)
        part = parts.share(data.utterances, args.part, args.parts)
        pool.pool(model, data, pool.read_spans(args.samples), work, args.name, facts, part=part)


def add_options(parser: cli.ArgumentParser, one: bool = False) -> None:
    """Add what says which layers they are, and with `one` which part; merge_layers takes the same."""
    parser.add_argument("--model", required=True, help="folder of a trained model, a Hugging Face folder or hub name, "
                        "a torchaudio bundle or state dict, a fairseq checkpoint, or features without a network: "
                        + " or ".join(baselines.BASELINES))  # fmt: skip
    parser.add_argument("--data", required=True, help="data dir that was sampled")
    parser.add_argument("--samples", required=True, help="folder made by sample_segments")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--name", required=True, help="the run's name in scores and figures")
    parts.add_options(parser, one)
    cli.add_gpu(parser)


def whole_product(args: Namespace) -> Product:
    """The layers over the whole set: the same whatever the number of parts."""
    settings, inputs = {"name": args.name}, {"data": args.data, "samples": args.samples}
    if args.model in baselines.BASELINES:
        settings |= baselines.BASELINES[args.model].settings
    else:
        inputs["model"] = locate(args.model)
    return Product(Path(args.out), "pool_layers", settings, inputs, form=2)


if __name__ == "__main__":
    cli.run(main)
