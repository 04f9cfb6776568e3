"""Print what a study is going to train, in order: runs and legs, label sets, updates, hours of audio and of work, disk;
and what each other table on the same base would add to it."""

import logging
import sys
from pathlib import Path

from hubert_iter import study
from hubert_iter.bin import cli

log = logging.getLogger(__name__)


def main(argv=None) -> None:
    """Entry point."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--study", type=Path, required=True, help="table of runs (YAML)")
    parser.add_argument("--runs", nargs="*", default=[], help="only these, as in plan")
    parser.add_argument("--gpu", type=cli.true_or_false, default=False, help="time of one GPU, if there is one here")
    cli.add_conf_dirs(parser)
    args = parser.parse_args(argv)

    import torch

    from hubert_iter.train import calibrate, preview
    from hubert_iter.train.config import RunConfig

    device = torch.device("cuda" if args.gpu and torch.cuda.is_available() else "cpu")
    if args.gpu and device.type == "cpu":
        log.info("no GPU here: hours are those of this machine's processor")

    @preview.once_each
    def speed(settings: RunConfig) -> float:
        found = calibrate.speed(settings, device)
        log.info("%s: %.1f s of audio a second on this machine's %s", settings.run["name"], found, device.type)
        return found

    table = study.read(args.study)
    found = list(preview.steps(table, table.select(args.runs), args.conf_dirs, speed))
    sys.stdout.writelines(f"{line}\n" for line in preview.lines(found))
    if args.runs:
        return
    for number, line in enumerate(preview.additions(table, args.conf_dirs, speed)):
        if number == 0:
            sys.stdout.write("Other tables on the same base would add\n")
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    cli.run(main)
