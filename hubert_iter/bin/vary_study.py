"""Write a study with other values for one call (--train_args of a recipe); print its path, EXPDIR/NAME/NAME.yaml."""

import sys
from pathlib import Path

from hubert_iter import study, vary
from hubert_iter.bin import cli
from hubert_iter.train import check_study


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--study", type=Path, required=True, help="table of runs (YAML)")
    parser.add_argument(
        "--train_args",
        required=True,
        help='e.g. "learning_rate=1e-3 updates=500 model.layers=4 objective.negatives=50"',
    )
    cli.add_conf_dirs(parser)
    parser.add_argument("--expdir", type=Path, required=True, help="folder of all studies' results")
    args = parser.parse_args(argv)
    where = "--train_args"
    changes = vary.read_changes(args.train_args, where)
    values = vary.vary(study.values_of(args.study), changes)
    # Checked before anything is written.
    varied = study.make(Path(where), values)
    check_study.check(varied, args.conf_dirs)
    name = vary.name_of(args.study.stem, changes, where)
    path = args.expdir / name / f"{name}.yaml"
    vary.write(path, values, f"{args.study} with {name.removeprefix(args.study.stem)}; each such call writes it.")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    cli.run(main)
