"""Run a model once over the evaluation set and keep the mean of each sampled segment at each layer."""

from pathlib import Path

from hubert_iter import provenance
from hubert_iter.analysis import pool, sample
from hubert_iter.bin import cli
from hubert_iter.data import datadir
from hubert_iter.feats.foreign import locate


def main(argv=None) -> None:
    """Write one array per property and sample set, and layers.json."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--model", required=True, help="folder of a trained model, a Hugging Face folder or hub name, "
                        "a torchaudio bundle or state dict, or a fairseq checkpoint")  # fmt: skip
    parser.add_argument("--data", required=True, help="data dir that was sampled")
    parser.add_argument("--samples", required=True, help="folder made by sample_segments")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument("--name", required=True, help="the run's name in scores and figures")
    args = parser.parse_args(argv)
    path = locate(args.model)
    stage = provenance.Product(
        Path(args.out), "pool_layers", {"name": args.name},
        {"model": path, "data": args.data, "samples": args.samples},
    )  # fmt: skip
    if stage.done():
        return
    from hubert_iter.feats.layers import open_model  # loads torch: not needed to say "up to date"

    with stage.writing() as work:
        model = open_model(path)
        facts = {"updates": model.description.get("updates", 0), "id": provenance.identity(path)}
        pool.pool(model, datadir.read(args.data), sample.read(args.samples), work, args.name, facts)


if __name__ == "__main__":
    cli.run(main)
