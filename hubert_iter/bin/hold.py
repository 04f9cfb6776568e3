"""Hold a folder's lock for a shell script, so that no other call of a recipe changes the folder meanwhile.

The lock is that of the process --pid: it counts as gone when that process has ended, however it did.
"""

from pathlib import Path

from hubert_iter import lock
from hubert_iter.bin import cli


def main(argv=None) -> None:
    """Entry point: wait until nobody else holds it, then claim it; or release it."""
    parser = cli.ArgumentParser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="folder that the script makes or reads")
    parser.add_argument("--pid", type=int, required=True, help="the script's process on this machine: $$")
    parser.add_argument("--release", type=cli.true_or_false, default=False, help="let others have it")
    args = parser.parse_args(argv)
    (lock.release_for if args.release else lock.claim_for)(args.pid, args.folder)


if __name__ == "__main__":
    cli.run(main)
