"""Print what a study is going to train, in order: runs and legs, label sets, updates, hours of audio, disk."""

import sys
from pathlib import Path

from hubert_iter import study
from hubert_iter.bin import cli


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--study", type=Path, required=True, help="table of runs (YAML)")
    parser.add_argument("--runs", nargs="*", default=[], help="only these, as in plan")
    cli.add_conf_dirs(parser)
    args = parser.parse_args(argv)

    from hubert_iter.train import preview

    table = study.read(args.study)
    found = list(preview.steps(table, table.select(args.runs), args.conf_dirs))
    sys.stdout.writelines(f"{line}\n" for line in preview.lines(found))


if __name__ == "__main__":
    cli.run(main)
