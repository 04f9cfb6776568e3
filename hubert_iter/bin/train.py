"""Train one run of a study, or go on with it; one process, or many started by torchrun."""

import os
import sys
from dataclasses import fields
from pathlib import Path

from hubert_iter import study
from hubert_iter.bin import cli
from hubert_iter.feats.foreign import locate
from hubert_iter.provenance import Product
from hubert_iter.train.inputs import Inputs


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--study", type=Path, required=True, help="table of runs (YAML)")
    parser.add_argument("--name", required=True, help="which of its runs")
    parser.add_argument("--data", type=Path, required=True, help="data directory to train on")
    parser.add_argument("--valid_data", type=Path, required=True, help="held-out data directory")
    parser.add_argument("--labels", type=Path, help="labels of --data; none for an objective that makes its own")
    parser.add_argument("--valid_labels", type=Path, help="labels of --valid_data")
    parser.add_argument(
        "--teacher_model", type=locate, help="the model whose layer the labels come from, if the run has one"
    )
    parser.add_argument("--teacher_tap", help="the layer that choose_layer has named, where the study says @best")
    parser.add_argument("--init_model", type=locate, help="model to take the encoder's weights from")
    parser.add_argument("--continues", type=Path, help="of a run with refresh: folder of the leg to go on from")
    parser.add_argument("--old_labels", type=Path, help="that leg's labels of --data, for head: match")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    cli.add_conf_dirs(parser)
    cli.add_gpu(parser)
    parser.add_argument(
        "--gate", type=cli.true_or_false, default=False,
        help="stop a run that has no prospect of using context at half of its updates, with the model as it is",
    )  # fmt: skip
    cli.add_wandb(parser)
    args = parser.parse_args(argv)

    from hubert_iter.train import config, gate, wandb_board

    row = study.read(args.study).run(args.name)
    settings = config.load(row, args.conf_dirs)
    inputs = Inputs(**{each.name: getattr(args, each.name) for each in fields(Inputs)})
    inputs.check_legs(row)
    inputs.check_tap(row)
    shaping = inputs.shaping() if row.trained else {}
    product = Product(args.out / "model", "train", settings.shaping(), shaping)
    if args.gate:
        product = gate.at_gate(product)
    if _done(product, args.gpu):
        return
    if args.wandb:
        wandb_board.check(args.wandb)

    from hubert_iter.train import distributed, run
    from hubert_iter.train.stopping import Stopped

    if not row.trained:
        run.write_random(settings, product, args.out)
        return
    world = distributed.join(args.gpu)
    try:
        with distributed.together(world):
            run.train(settings, inputs, product, args.out, world, args.gate, args.wandb)
    except Stopped as stopped:
        print(f"{stopped}; the state is saved, the same command goes on from there", file=sys.stderr)
        sys.exit(128 + stopped.number)
    finally:
        distributed.leave(world)


def _done(product: Product, gpu: bool) -> bool:
    """True where nothing is to be trained. Of many processes the first one claims the run.

    Somebody else who trains it is waited for by a process that is alone and has no GPU, which would be idle.
    """
    rank, size = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    if rank == 0:
        return product.done(wait=size == 1 and not gpu)
    return not product.why()


if __name__ == "__main__":
    cli.run(main)
