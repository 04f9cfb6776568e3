"""Start the processes of a training as torchrun does, with its arguments; where one fails, end with a sentence that
names it, in place of the launcher's traceback, which would hide the process's own message."""

import os
import signal
import socket
import sys

SHUTDOWN_SECONDS = 110
"""How long processes that are told to stop may take to end their update and save; below the 120 seconds before the end
of a job's time at which conf/slurm.conf has Slurm tell them."""
_SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"
"""torchrun's own, and the one by which clusters say that time is nearly up: processes that get it save."""


def main(argv=None) -> None:
    """Entry point; the exit status is the failed process's, or 128 and the number of the signal that ended it."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] in (["-h"], ["--help"]):
        print(f"usage: torchrun.py --nproc_per_node N [--nnodes N ...] -m MODULE ...\n\n{__doc__}")
        sys.exit(0)
    from torch.distributed import DistError, run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.elastic.rendezvous.utils import parse_rendezvous_endpoint

    from hubert_iter.train.distributed import find, not_met

    words = ["--signals_to_handle", _SIGNALS, *words]
    # Not as an option, which would go before a value that the user has set there.
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SHUTDOWN_SECONDS))
    args = run.parse_args(words)
    endpoint = args.rdzv_endpoint or f"{args.master_addr}:{args.master_port or 29500}"  # torchrun's own default
    try:
        find(parse_rendezvous_endpoint(endpoint, default_port=0)[0])
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
    except (DistError, RendezvousError, socket.gaierror, UnicodeError) as error:
        who = f"node {args.node_rank} of {args.nnodes}"
        sys.exit(f"ERROR: {not_met(who, f'{endpoint} (--master_addr, --master_port)', error)}")


if __name__ == "__main__":
    main()
