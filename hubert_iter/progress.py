"""How far a pass over audio is, how fast it goes, what 960 h would take: soon after it begins, then now and then."""

import logging
import time

FIRST_SECONDS = 5.0
PAUSE_SECONDS = 30.0
WHOLE_HOURS = 960.0
"""All of LibriSpeech's training speech, what users plan for."""
log = logging.getLogger(__name__)


class Progress:
    """Logs the progress of a pass over `count` utterances of `seconds` in all."""

    def __init__(self, what: str, count: int, seconds: float):
        """The pass begins now."""
        self.what, self.count, self.seconds = what, count, seconds
        self.number, self.done = 0, 0.0
        self.began = time.monotonic()
        self.due = self.began + FIRST_SECONDS

    def step(self, seconds: float) -> None:
        """One more utterance of `seconds` is done."""
        self.number += 1
        self.done += seconds
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + PAUSE_SECONDS
        speed = self.done / (now - self.began)
        log.info(
            "%s: %d of %d utterances; %.1f times real time, about %.2f h left; %.0f h would take %.1f h",
            self.what, self.number, self.count, speed, (self.seconds - self.done) / speed / 3600,
            WHOLE_HOURS, WHOLE_HOURS / speed,
        )  # fmt: skip
