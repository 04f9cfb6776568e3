#!/usr/bin/env python3
"""Start torchrun on one of several machines: node.py --node JOB --num_nodes N --ngpu G --meeting FILE -m MODULE ...

Node 1 writes its address into a file on the shared file system; the others wait for it there. So a launcher only has to
run N jobs at the same time, and need not know beforehand which machines they get. The file also says how often Slurm
had put the job back into its queue by then: what an earlier start has left there is not taken.
"""

import argparse
import os
import socket
import sys
import time
from pathlib import Path

START = os.environ.get("SLURM_RESTART_COUNT", "0")  # the same on all nodes of a call


def announce(meeting: Path) -> str:
    """Choose a free port on this machine and write host:port and which start this is."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        address = f"{socket.getfqdn()}:{probe.getsockname()[1]}"
    temporary = meeting.with_name(meeting.name + ".tmp")
    temporary.write_text(f"{address} {START}")
    temporary.replace(meeting)
    return address


def wait_for(meeting: Path, patience: float) -> str:
    """Read the address that node 1 writes; the caller removes an earlier call's file beforehand."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        written = meeting.read_text().split() if meeting.is_file() else []
        if written[1:] == [START]:
            return written[0]
        time.sleep(0.5)
    sys.exit(
        f"ERROR: node.py: node 1 did not write its address to {meeting} within {patience:.0f} s. All nodes must run at "
        "the same time and see the same folder: look at node 1's log, and whether the queue started it"
    )


def main() -> None:
    """Find the others, then become torchrun."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--node", type=int, required=True, help="number of this machine, from 1")
    parser.add_argument("--num_nodes", type=int, required=True, help="number of machines")
    parser.add_argument("--ngpu", type=int, required=True, help="processes per machine; 0 for one on the processor")
    parser.add_argument("--meeting", type=Path, required=True, help="file through which the machines find each other")
    parser.add_argument("--patience", type=float, default=1800.0, help="seconds to wait for node 1")
    args, command = parser.parse_known_args()
    address = announce(args.meeting) if args.node == 1 else wait_for(args.meeting, args.patience)
    host, port = address.rsplit(":", 1)
    print(f"node {args.node} of {args.num_nodes} on {socket.gethostname()}: meeting at {address}", flush=True)
    launch = ["-m", "hubert_iter.bin.torchrun", "--nnodes", str(args.num_nodes), "--node_rank", str(args.node - 1)]
    launch += ["--nproc_per_node", str(max(1, args.ngpu)), "--master_addr", host, "--master_port", port]
    os.execv(sys.executable, [sys.executable, *launch, *command])


if __name__ == "__main__":
    main()
