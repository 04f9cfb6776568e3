"""One maker at a time for each produced folder: a file `<folder>.lock` beside it says who is at work.

The file is made in one step, so of two processes one gets it, on shared file systems too. Who is killed leaves it
behind; the next one sees that the holder is gone and takes its place:

- a process of this machine that no longer runs, or whose number now belongs to another one;
- an earlier life of this Slurm job, which was requeued;
- a Slurm job that Slurm no longer knows.

Of a process on another machine outside Slurm nobody here can tell; then the message says which file to delete.
"""

import atexit
import json
import logging
import os
import shutil
import socket
import subprocess
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from hubert_iter.errors import UserError

SUFFIX = ".lock"
_POLL = 0.5
"""Seconds between two looks at a lock that somebody else holds."""
_REMIND = 600.0
"""Seconds between two messages while waiting."""
_WRITTEN = 10.0
"""Seconds within which a holder has written its name into its lock."""
log = logging.getLogger(__name__)
_held: dict[Path, int] = {}
"""Locks of this process. A forked child has them too, but they are not its own: hence the process's number."""


@dataclass(frozen=True)
class Holder:
    """Who makes a folder."""

    host: str
    pid: int
    started: str
    """Tells a process from a later one with the same number."""
    job: str
    """Slurm's number of the job; "" outside Slurm."""
    since: str
    token: str
    restarts: int = 0
    """How often Slurm had put the job back into the queue."""

    def __str__(self) -> str:
        job = f", Slurm job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}, since {self.since}"

    def gone(self) -> bool:
        """True where it is certain that the holder no longer runs."""
        if self.host == _host():
            return _started(self.pid) != self.started
        if not self.job:
            return False
        if self.job == os.environ.get("SLURM_JOB_ID"):
            # With as many restarts it is a process of this very job, on another of its machines.
            return self.restarts < _restarts()
        return not _slurm_runs(self.job)


def claim(folder: Path, wait: bool = True) -> bool:
    """Become the one who makes `folder`; true where somebody else was at it, so that it may be there by now.

    While somebody else is: wait, or with `wait=False` a UserError that names the holder.
    """
    path = _path(folder)
    if _held.get(path) == os.getpid():
        return False
    waited = _claim(folder, os.getpid(), wait)
    _held[path] = os.getpid()
    return waited


def claim_for(pid: int, folder: Path) -> None:
    """Claim `folder`, waiting, for another process of this machine: a shell script, for several of its commands."""
    _claim(folder, pid, wait=True)


def release_for(pid: int, folder: Path) -> None:
    """Release what that process holds; nothing happens where it does not."""
    path = _path(folder)
    holder = _read(path)
    if holder and (holder.host, holder.pid, holder.started) == (_host(), pid, _started(pid)):
        path.unlink(missing_ok=True)


def _claim(folder: Path, pid: int, wait: bool) -> bool:
    path = _path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    me = _of(pid)
    waited, told = False, -_REMIND
    while not _create(path, me):
        holder = _read(path)
        if holder is None:
            time.sleep(_POLL / 10)
        elif holder.gone():
            _remove(path, holder, me)
        elif not wait:
            raise UserError(f"{folder} is being made by {holder}. Wait for it or stop it; {_advice(path)}")
        else:
            if time.monotonic() - told >= _REMIND:
                log.info("%s is being made by %s: waiting until it is done; %s", folder, holder, _advice(path))
                told = time.monotonic()
            waited = True
            time.sleep(_POLL)
    return waited


def release(folder: Path) -> None:
    """Let others make `folder`; nothing happens where this process does not hold it."""
    path = _path(folder)
    if _held.get(path) == os.getpid():
        del _held[path]
        path.unlink(missing_ok=True)


@atexit.register
def _release_all() -> None:
    for path, owner in list(_held.items()):
        if owner == os.getpid():
            path.unlink(missing_ok=True)


def _of(pid: int) -> Holder:
    job = os.environ.get("SLURM_JOB_ID", "")
    return Holder(_host(), pid, _started(pid), job, _now(), uuid.uuid4().hex, _restarts())


def _restarts() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def _path(folder: Path) -> Path:
    folder = Path(os.path.abspath(folder))
    return folder.with_name(folder.name + SUFFIX)


def _advice(path: Path) -> str:
    return f"if it no longer runs there, delete {path}"


def _create(path: Path, holder: Holder) -> bool:
    """Make the lock unless there is one."""
    try:
        with open(path, "x") as file:
            file.write(json.dumps(asdict(holder)) + "\n")
    except FileExistsError:
        return False
    return True


def _read(path: Path) -> Holder | None:
    """Who holds the lock; None where it has just gone or is just being written.

    A file that has said nothing for long, since its maker died in that moment or the disk was full, is removed.
    """
    try:
        return Holder(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        try:
            if time.time() - path.stat().st_mtime > _WRITTEN:
                path.unlink()
        except FileNotFoundError:
            pass
        return None


def _remove(path: Path, holder: Holder, me: Holder) -> None:
    """Remove the lock of somebody who is gone, unless another process has done so and the lock is a new one by now.

    The right to remove it is a lock as well, so nobody can come between the look and the removal.
    """
    right = path.with_name(f"{path.name}.{holder.token}")
    if not _create(right, me):
        other = _read(right)
        if other and other.gone():
            _remove(right, other, me)
        time.sleep(_POLL / 10)
        return
    found = _read(path)
    if found and found.token == holder.token:
        path.unlink()
        log.info("%s: its holder is gone (%s)", path, holder)
    right.unlink()


def _host() -> str:
    """This machine; processes of two containers on it do not see each other, so each counts as one."""
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        space = ""
    return f"{socket.gethostname()}{f' ({space})' if space else ''}"


def _started(pid: int) -> str:
    """When a process of this machine began, in the system's own count; "" for one that does not run."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            state = file.read().rpartition(")")[2].split()
        return "" if state[0] == "Z" else state[19]
    except OSError:
        pass
    if os.path.isdir("/proc/self"):
        return ""
    try:
        os.kill(pid, 0)  # no /proc: only whether it runs
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "runs"


def _slurm_runs(job: str) -> bool:
    """False where Slurm says that it knows no such job, or that the job has ended."""
    if not shutil.which("squeue"):
        return True
    words = ["squeue", "--noheader", "--format=%T", "--jobs", job]
    try:
        found = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return True
    if found.returncode:
        return "Invalid job id" not in found.stderr
    return bool(found.stdout.strip())


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
