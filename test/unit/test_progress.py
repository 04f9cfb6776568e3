"""What a pass over audio says while it runs."""

import logging

import pytest

from hubert_iter import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_it_says_soon_how_long_960_hours_would_take_and_then_rarely(clock, caplog):
    caplog.set_level(logging.INFO)
    passed = progress.Progress("labels", 1000, 72_000.0)
    said = []
    for _ in range(100):  # 72 s of audio in each second
        clock[0] += 1
        passed.step(72.0)
        said.append(len(caplog.messages))
    assert said.index(1) == 4
    assert said[-1] == 4, "after 5, 35, 65 and 95 s"
    first = caplog.messages[0]
    assert "5 of 1000" in first
    assert "72.0 times" in first
    assert "0.28 h left" in first  # (72,000 - 360) s at 72 times real time
    assert "13.3 h" in first  # 960 / 72


def test_a_short_pass_says_nothing(clock, caplog):
    caplog.set_level(logging.INFO)
    passed = progress.Progress("labels", 2, 4.0)
    passed.step(2.0)
    passed.step(2.0)
    assert caplog.messages == []
