"""Start the processes of a training as torchrun does, with its arguments; where one fails, end with a sentence that
names it, in place of the launcher's traceback, which would hide the process's own message."""

import signal
import sys


def main(argv=None) -> None:
    """Entry point; the exit status is the failed process's, or 128 and the number of the signal that ended it."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] in (["-h"], ["--help"]):
        print(f"usage: torchrun.py --nproc_per_node N [--nnodes N ...] -m MODULE ...\n\n{__doc__}")
        sys.exit(0)
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.main(words)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = failure.exitcode
        how = f"status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        print(f"ERROR: process {rank} (number {failure.pid}) ended with {how}: its message is above", file=sys.stderr)
        sys.exit(code if code >= 0 else 128 - code)
    except SignalException as stopped:
        print(f"stopped by {stopped.sigval.name}; what was saved is kept, the same command goes on", file=sys.stderr)
        sys.exit(128 + stopped.sigval)


if __name__ == "__main__":
    main()
