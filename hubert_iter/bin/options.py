"""Print what may be set of a study and of the files that it names: name, default, meaning. Or say where one belongs."""

import sys
from pathlib import Path

from hubert_iter.bin import cli
from hubert_iter.train import catalogue


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--where", help="say where the option of this name belongs, or nothing where there is none")
    parser.add_argument("--study", default="NAME", help="for --where: the study, a name or a file")
    args = parser.parse_args(argv)
    if args.where is None:
        lines = list(catalogue.table())
    else:
        study = args.study if Path(args.study).is_file() else f"conf/study/{args.study}.yaml"
        lines = [line for line in [catalogue.where(args.where, study)] if line]
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    cli.run(main)
