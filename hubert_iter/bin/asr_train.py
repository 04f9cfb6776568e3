"""Train a recogniser on a network's layers by ESPnet's ASRTask: frozen with learnt weights of layers, or fine-tuned."""

from pathlib import Path

from hubert_iter import config
from hubert_iter.asr import stored_layers, tokens
from hubert_iter.bin import cli
from hubert_iter.errors import UserError, shown
from hubert_iter.provenance import Product


def main(argv=None) -> None:
    """Write config.yaml and model.pth, which ESPnet reads, and layer_weights.tsv."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--model", required=True, help="the network, as pool_layers takes it, or mfcc or logmel")
    parser.add_argument("--data", type=Path, required=True, help="training data directory")
    parser.add_argument("--valid_data", type=Path, required=True, help="validation data directory")
    parser.add_argument("--tokens", type=Path, required=True, help="folder made by asr_tokens")
    parser.add_argument("--config", required=True, help="ESPnet's YAML: a name in conf/asr, or a file")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; ESPnet's own is OUT.training")
    parser.add_argument("--max_features_gb", type=float, default=20.0, help="layers of a frozen network that "
                        "take more disk than this are computed anew in each epoch")  # fmt: skip
    cli.add_conf_dirs(parser)
    cli.add_gpu(parser)
    args = parser.parse_args(argv)
    values = config.load("asr", args.config, args.conf_dirs)
    first = next(iter(values.get("best_model_criterion") or ()), None)
    if not isinstance(first, list) or len(first) != 3:
        raise UserError(f"asr configuration {args.config}: best_model_criterion: expected lists of phase, metric and "
                        "min or max, by which the best epoch is chosen, for example [[valid, cer_ctc, min]], found "
                        f"{shown(values.get('best_model_criterion'))}")  # fmt: skip
    settings, inputs = stored_layers.model_inputs(args.model)
    inputs |= {"data": args.data, "valid_data": args.valid_data, "tokens": args.tokens}
    product = Product(args.out, "asr_train", settings | {"config": values}, inputs)
    if product.done():
        return
    from hubert_iter import provenance
    from hubert_iter.asr import train
    from hubert_iter.data import datadir

    job = train.Recogniser(
        args.model, values, tokens.read(args.tokens), datadir.read(args.data), datadir.read(args.valid_data),
        args.max_features_gb, args.gpu,
    )  # fmt: skip
    made_for = {"settings": product.settings, "inputs": {name: provenance.identity(inputs[name]) for name in inputs}}
    with product.writing() as work:
        train.train(job, made_for, args.out.with_name(args.out.name + ".training"), work)


if __name__ == "__main__":
    cli.run(main)
