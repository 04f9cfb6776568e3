"""Work for processes of their own, which find it by the name of this module."""

import os
import time

from hubert_iter.errors import UserError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def wait_and_tell(task: tuple[int, float]) -> tuple[int, tuple, float]:
    """The number of a (number, seconds) task, how many threads its process may have, and when it ended."""
    number, seconds = task
    time.sleep(seconds)
    return number, tuple(os.environ.get(name) for name in THREAD_VARIABLES), time.monotonic()


def refuse(task: int) -> int:
    """The task, but for 1."""
    if task == 1:
        raise UserError("layer 1: not a number")
    return task
