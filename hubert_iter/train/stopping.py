"""SIGTERM (a cluster wants its machine back) and Ctrl-C: the update is finished and saved, then the run ends.

So do SIGUSR1, by which clusters say that time is nearly up, and SIGHUP, a terminal that was closed.
"""

import ctypes
import logging
import signal
import sys
import time

from hubert_iter.train.distributed import World

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
MOST_UPDATES = 10
"""With several processes, updates between two exchanges about whether one was told to stop."""
MOST_SECONDS = 5.0
"""Fewer where updates take long: who has not saved some time after the signal is killed (SHUTDOWN_SECONDS)."""
_DEATH_SIGNAL = 1
"""Linux's PR_SET_PDEATHSIG: which signal a process gets when its parent is gone."""
_ONE_ORDER = 1.0
"""Seconds within which a further signal is the same order, by another way."""


class Stopped(Exception):
    """The run was told to stop; its state is saved."""

    def __init__(self, number: int):
        super().__init__(f"stopped by signal {number}")
        self.number = number


class StopOrders:
    """While open, the first signal only leaves a note, for the loop to act on; the second interrupts."""

    received = 0
    """The signal's number; 0 where there was none."""
    _received_at = 0.0
    _next = 0
    """Update of the next exchange, the same for all processes; 0 for the next one."""
    _exchanged: tuple[int, float] | None = None
    """Update and time of the last exchange."""

    def __enter__(self):
        self.before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def _note(self, number, frame) -> None:
        now = time.monotonic()
        if self.received:
            if now - self._received_at < _ONE_ORDER:
                return
            raise KeyboardInterrupt
        self.received, self._received_at = number, now
        log.info("told to stop (signal %d): finishing this update, then saving; once more stops at once", number)

    def agreed(self, update: int, world: World) -> int:
        """The signal to stop by, for all processes at the same update; 0 to go on."""
        if world.size == 1:
            return self.received
        if update < self._next:
            return 0
        now = time.monotonic()
        seconds = (now - self._exchanged[1]) / (update - self._exchanged[0]) if self._exchanged else MOST_SECONDS
        told, seconds = world.most([float(bool(self.received)), seconds])
        self._exchanged = update, now
        self._next = update + max(1, min(MOST_UPDATES, int(MOST_SECONDS / max(seconds, 1e-3))))
        return signal.SIGTERM if told else 0

    def __exit__(self, *exception) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


def leave_to_trainer(worker: int) -> None:
    """A launcher's signals reach all processes; the loader's workers must go on until the trainer has saved.

    They end with it, however it ends: a worker holds the trainer's connections open, so that while it lives the other
    processes of a training do not notice that the trainer is gone.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
