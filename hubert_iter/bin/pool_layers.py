"""Run a model once over the evaluation set; keep the mean of each sampled segment, and each sampled frame, by layer."""

from pathlib import Path

from hubert_iter import provenance
from hubert_iter.bin import cli
from hubert_iter.feats import baselines
from hubert_iter.feats.foreign import locate
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write one array per property and sample set, one of frames, and layers.json."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--model", required=True, help="folder of a trained model, a Hugging Face folder or hub name, "
                        "a torchaudio bundle or state dict, a fairseq checkpoint, or features without a network: "
                        + " or ".join(baselines.BASELINES))  # fmt: skip
    parser.add_argument("--data", required=True, help="data dir that was sampled")
    parser.add_argument("--samples", required=True, help="folder made by sample_segments")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--name", required=True, help="the run's name in scores and figures")
    cli.add_gpu(parser)
    args = parser.parse_args(argv)
    settings, inputs = {"name": args.name}, {"data": args.data, "samples": args.samples}
    if args.model in baselines.BASELINES:
        settings |= baselines.BASELINES[args.model].settings
    else:
        inputs["model"] = locate(args.model)
    product = Product(Path(args.out), "pool_layers", settings, inputs, form=2)
    if product.done():
        return
    from hubert_iter.analysis import frame_sample, pool, sample
    from hubert_iter.data import datadir
    from hubert_iter.feats.layers import open_model

    with product.writing() as work:
        model = open_model(args.model, "cuda" if args.gpu else "cpu")
        facts = {"updates": model.description.get("updates", 0)}
        if "model" in inputs:
            facts["id"] = provenance.identity(inputs["model"])
        spans = sample.read(args.samples) | {frame_sample.KEY: frame_sample.read(args.samples).spans}
        pool.pool(model, datadir.read(args.data), spans, work, args.name, facts)


if __name__ == "__main__":
    cli.run(main)
