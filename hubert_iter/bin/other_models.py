"""Check the recipe's --models and print them, a line each: name, tab, path. The recipe's loop reads this."""

import re
import shlex
import sys
from pathlib import Path

from hubert_iter import study
from hubert_iter.bin import cli
from hubert_iter.errors import UserError
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.runs import why_reserved


def main(argv=None) -> None:
    """Print the models."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument(
        "--models", required=True, help='"name=path ...", as a shell reads words: quote what has spaces'
    )
    parser.add_argument("--study", type=Path, required=True, help="table of runs, whose names are taken")
    args = parser.parse_args(argv)
    taken = {name for legs in study.read(args.study).legs.values() for name in (leg.name for leg in legs)}
    for name, path in parse(args.models, taken | set(BASELINES)).items():
        sys.stdout.write(f"{name}\t{path}\n")


def parse(text: str, taken: set[str]) -> dict[str, str]:
    """Models by name; UserError for what is not NAME=PATH, or for a name that would overwrite other results."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"--models: {error}: {text}") from None
    models = cli.named_folders("--models", words, "PATH")
    for name in models:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
            raise UserError(f"--models: {name}: the name is a folder's: use letters, digits, '_', '-' and '.' only")
        if why := why_reserved(name):
            raise UserError(f"--models: {name}: {why}: choose another name")
        if name in taken:
            raise UserError(f"--models: {name}: the study or the recipe has results of this name: choose another one")
    return {name: str(path) for name, path in models.items()}


if __name__ == "__main__":
    cli.run(main)
