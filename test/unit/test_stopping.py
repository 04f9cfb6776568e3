"""StopOrders with a clock of its own: several processes agree soon enough however long an update takes."""

import signal

import pytest

from hubert_iter.bin.torchrun import SHUTDOWN_SECONDS
from hubert_iter.train import stopping


class Two:
    """In place of a World of two processes, of which the other one was told nothing; counts the exchanges."""

    size = 2
    exchanges = 0

    def most(self, values: list[float]) -> list[float]:
        self.exchanges += 1
        return values


@pytest.mark.parametrize("seconds", [0.01, 0.4, 3.0, 25.0, 90.0])
@pytest.mark.parametrize("told", [0.1, 61.0, 299.9])
def test_stops_in_time_however_long_an_update_takes(monkeypatch, seconds, told):
    now = 0.0
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now)
    world, update, stop = Two(), 0, 0
    with stopping.StopOrders() as orders:
        while not stop:
            before, now, update = now, now + seconds, update + 1
            if before < told <= now:
                signal.raise_signal(signal.SIGUSR1)
            stop = orders.agreed(update, world)
            assert now < 1000, "not stopped"
    assert stop == signal.SIGTERM
    assert 0 <= now - told < seconds + stopping.MOST_SECONDS < SHUTDOWN_SECONDS
    assert world.exchanges <= 2 + update / min(stopping.MOST_UPDATES, max(1, 0.5 * stopping.MOST_SECONDS / seconds))


def test_updates_that_come_to_take_long_are_noticed(monkeypatch):
    """The first ones are short, so that the next exchange is 10 updates away; from then on each has its own."""
    now = 0.0
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now)
    world = Two()
    with stopping.StopOrders() as orders:
        for update in range(1, 61):
            now += 0.1 if update <= 20 else 25.0
            assert not orders.agreed(update, world)
            if update == 40:
                slow = world.exchanges
        assert world.exchanges - slow == 20
