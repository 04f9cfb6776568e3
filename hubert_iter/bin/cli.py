"""What all entry points share: named options only, clear errors, exit codes, logging."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from hubert_iter.errors import UserError, nearest


class ArgumentParser(argparse.ArgumentParser):
    """Named options only; an unknown option exits 2 and names the nearest one."""

    def __init__(self, description: str | None):
        super().__init__(
            description=description, allow_abbrev=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )

    def parse_args(self, argv=None):
        """Parse. An unknown option is reported before a missing one: often it is the missing one, misspelt."""
        words = sys.argv[1:] if argv is None else argv
        known = [option for action in self._actions for option in action.option_strings]
        for word in words:
            option = word.partition("=")[0]
            if option.startswith("--") and option not in known:
                self.error(f"unknown option {option}{nearest(option, known)}")
        return super().parse_args(words)


def add_conf_dirs(parser: argparse.ArgumentParser) -> None:
    """Add --conf_dirs."""
    parser.add_argument(
        "--conf_dirs", type=Path, nargs="+", default=[Path("conf")],
        help="folders with model/ objective/ train/ analysis/; the first that has a file wins",
    )  # fmt: skip


def add_gpu(parser: argparse.ArgumentParser) -> None:
    """Add --gpu, for what runs a model."""
    parser.add_argument("--gpu", type=true_or_false, default=False, help="run on the GPU of this process")


def add_audio(parser: argparse.ArgumentParser) -> None:
    """Add --audio and --resample, for what runs a model over any audio."""
    parser.add_argument(
        "--audio", type=Path, required=True, help="folder of audio files at any depth, a data directory, a wav.scp, or "
        "one audio file",
    )  # fmt: skip
    parser.add_argument(
        "--resample", type=true_or_false, default=False,
        help="convert audio that is not 16 kHz with one channel; false: refuse it",
    )  # fmt: skip


def add_wandb(parser: argparse.ArgumentParser) -> None:
    """Add --wandb, for who trains and for who checks first that it can be done."""
    parser.add_argument("--wandb", default="", help="project of Weights & Biases to send metrics to; none: not sent")


def true_or_false(text: str) -> bool:
    """Kaldi's way to give a flag: --name true or --name false."""
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, found '{text}'")
    return text == "true"


def named_folders(option: str, words: Iterable[str], what: str = "FOLDER") -> dict[str, Path]:
    """Folders, or `what` else, by name, from the words NAME=FOLDER that an option was given."""
    folders: dict[str, Path] = {}
    for word in words:
        name, equals, folder = word.partition("=")
        if not (name and equals and folder):
            raise UserError(f"{option}: expected NAME={what}, found '{word}'")
        if name in folders:
            raise UserError(f"{option}: the name {name} is given twice, for {folders[name]} and {folder}")
        folders[name] = Path(folder)
    return folders


def run(main: Callable[[], None]) -> None:
    """Run an entry point: what a user can mend ends it with a message and 1, Ctrl-C with 130, SIGTERM with 143."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S", force=True
    )
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        main()
    except UserError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
    except RuntimeError as error:
        # By its name: it is torch's own, which most entry points never load.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        print(
            f"ERROR: the GPU's memory does not suffice: {error}\nnvidia-smi shows whether other programs hold some of "
            "it. A training takes less with a lower device_seconds, what runs a model over a data set with shorter "
            "utterances (stage 2: --max_seconds). Without --gpu, in a recipe with --ngpu 0, processors do the work",
            file=sys.stderr,
        )
        sys.exit(1)
    except OSError as error:
        # A full disk, a missing right, an unreadable mount: the system's own words are the clearest.
        where = f": {error.filename}" if error.filename else ""
        print(f"ERROR: {error.strerror or error}{where}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Interrupted. What was complete is kept; the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
