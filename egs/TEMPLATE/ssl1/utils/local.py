#!/usr/bin/env python3
"""Run jobs on this machine: local.py [--mem 4G] [--gpu N] [--max-jobs N] [JOB=1:N] log.JOB.txt command ...

The arguments are those of Kaldi's run.pl. Each log holds the command, both times and the exit status. When jobs fail,
the others end, the message names the log and shows its last lines, and the exit status is not 0. --mem is not enforced.
Jobs of an array that want GPUs have their own, as many jobs at once as this machine has GPUs for.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

import launcher

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
# A job may be torchrun, which gives its processes 110 seconds for an update and for saving: this is a little more.
GRACE_SECONDS = 115.0


def die_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent is gone: a killed recipe leaves no job behind that writes files."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGTERM)


class Pool:
    """Jobs that wait, run and have ended."""

    def __init__(self, request: launcher.Request):
        """Take the request; nothing starts yet."""
        self.request = request
        self.waiting = list(request.jobs)
        self.running: dict[int, subprocess.Popen] = {}
        self.logs: dict[int, TextIO] = {}
        self.failed: dict[int, str] = {}
        self.free = shares_of_gpus(request)
        self.held: dict[int, str] = {}
        most = request.most_at_once
        if self.free:
            self.limit = min(len(self.free), most or len(self.free))
        else:
            self.limit = most or (1 if request.number("gpu", 0) else len(os.sched_getaffinity(0)))

    def start(self, job: int) -> None:
        """Start one job in its own process group."""
        log = self.request.log_of(job)
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ)
        if "num_threads" in self.request.options or len(self.request.jobs) > 1:
            environment.setdefault("OMP_NUM_THREADS", self.request.options.get("num_threads", "1"))
        if self.free:
            self.held[job] = environment["CUDA_VISIBLE_DEVICES"] = self.free.pop(0)
        line = self.request.shell_line(job)
        # A job of another call of the recipe may still write to the file of this name: it keeps that one.
        log.unlink(missing_ok=True)
        self.logs[job] = open(log, "w")  # noqa: SIM115 - closed when the job has ended
        self.logs[job].write(f"# {line}\n# started {now()}\n")
        self.logs[job].flush()
        self.running[job] = subprocess.Popen(
            ["bash", "-c", f"set -o pipefail; {line}"] if is_pipeline(self.request) else self.request.command_of(job),
            stdin=subprocess.DEVNULL,
            stdout=self.logs[job],
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )

    def collect(self) -> None:
        """Take note of the jobs that have ended."""
        for job, process in list(self.running.items()):
            status = process.poll()
            if status is None:
                continue
            del self.running[job]
            if job in self.held:
                self.free.append(self.held.pop(job))
            if status:
                self.failed[job] = f"exit status {status}" if status > 0 else f"killed by signal {-status}"
            try:
                with self.logs.pop(job) as file:
                    file.write(f"\n# ended {now()} with status {status}\n")
            except OSError as error:  # a full disk, most likely the reason why the job failed
                self.failed[job] = f"its log cannot be written: {error.strerror}"

    def run(self) -> None:
        """Run all jobs; after a failure no further one starts."""
        shown = Echo(self.request)
        while self.running or (self.waiting and not self.failed):
            while self.waiting and not self.failed and len(self.running) < self.limit:
                job = self.waiting.pop(0)
                try:
                    self.start(job)
                except OSError as error:
                    self.failed[job] = f"{error.strerror}: {error.filename}"
            time.sleep(0.05)
            self.collect()
            shown.update()

    def stop(self) -> None:
        """End the running jobs: SIGTERM first, so that they can save, SIGKILL after a while."""
        # The recipe hands on what the whole process group may have got already: once is enough.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for number, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 5.0)):
            for process in self.running.values():
                send(process, number)
            end = time.monotonic() + seconds
            while self.running and time.monotonic() < end:
                time.sleep(0.05)
                self.collect()


class Echo:
    """Shows the log of a single job on the terminal as it grows, so that a progress bar can be seen."""

    def __init__(self, request: launcher.Request):
        """Only for one job and a terminal."""
        self.log = request.log_of(request.first) if len(request.jobs) == 1 and sys.stderr.isatty() else None
        self.position = 0

    def update(self) -> None:
        """Copy what is new."""
        if self.log is None or not self.log.exists():
            return
        with open(self.log, "rb") as file:
            file.seek(self.position)
            new = file.read()
        self.position += len(new)
        sys.stderr.buffer.write(new)
        sys.stderr.buffer.flush()


def shares_of_gpus(request: launcher.Request) -> list[str]:
    """GPUs for each of the jobs of an array that run at once, as CUDA_VISIBLE_DEVICES names them; [] where none are."""
    wanted = request.number("gpu", 0)
    if not wanted or len(request.jobs) == 1:
        return []
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        listed = ""
        with contextlib.suppress(FileNotFoundError):
            listed = subprocess.run(
                ["nvidia-smi", "--list-gpus"], stdout=subprocess.PIPE, text=True, check=False
            ).stdout
        names = [str(number) for number in range(len(listed.splitlines()))]
    else:
        names = [name for name in given.split(",") if name]
    return [",".join(names[begin : begin + wanted]) for begin in range(0, len(names) - wanted + 1, wanted)]


def is_pipeline(request: launcher.Request) -> bool:
    """Does the command need a shell?"""
    return any(word in launcher.OPERATORS for word in request.command)


def send(process: subprocess.Popen, number: int) -> None:
    """Send a signal to a job's whole process group."""
    with contextlib.suppress(ProcessLookupError):  # it may just have ended by itself
        os.killpg(process.pid, number)


def now() -> str:
    """The time, for logs."""
    return time.strftime("%Y-%m-%dT%H:%M:%S")


def main() -> int:
    """Run; the exit status of the launcher."""
    name = Path(sys.argv[0]).name
    try:
        request = launcher.parse(sys.argv[1:])
    except launcher.UsageError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    die_with_parent()
    pool = Pool(request)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        pool.run()
    except KeyboardInterrupt:
        pool.stop()
        return 130
    except SystemExit as stopped:
        pool.stop()
        return int(stopped.code or 1)
    if pool.failed:
        launcher.report_failures(request, pool.failed, name)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
