"""SIGTERM (a cluster wants its machine back) and Ctrl-C: the update is finished and saved, then the run ends."""

import logging
import signal

from hubert_iter.train.distributed import World

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGINT)
EVERY = 10
"""With several processes, updates between two exchanges about whether one was told to stop."""


class Stopped(Exception):
    """The run was told to stop; its state is saved."""

    def __init__(self, number: int):
        super().__init__(f"stopped by signal {number}")
        self.number = number


class StopOrders:
    """While open, the first signal only leaves a note, for the loop to act on; the second interrupts."""

    received = 0
    """The signal's number; 0 where there was none."""

    def __enter__(self):
        self.before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def _note(self, number, frame) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = number
        log.info("told to stop (signal %d): finishing this update, then saving; once more stops at once", number)

    def agreed(self, update: int, world: World) -> int:
        """The signal to stop by, for all processes at the same update; 0 to go on."""
        if world.size == 1:
            return self.received
        if update % EVERY:
            return 0
        return signal.SIGTERM if world.any(bool(self.received)) else 0

    def __exit__(self, *exception) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


def leave_to_trainer(worker: int) -> None:
    """A launcher's signals reach all processes; the loader's workers must go on until the trainer has saved."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
