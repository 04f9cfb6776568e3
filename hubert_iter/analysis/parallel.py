"""Work on several processors with results that do not depend on how many there are."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS",
)  # fmt: skip


def run(function: Callable, tasks: Sequence, nj: int, cost: Callable[[Any], int] = lambda task: 0) -> list:
    """Map in order over at most `nj` fresh processes with one thread each, the tasks of highest cost first."""
    order = sorted(range(len(tasks)), key=lambda index: -cost(tasks[index]))
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))  # read when a process loads its library
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            max(1, min(nj, len(tasks))), context, initializer=_leave_with_parent, initargs=(os.getpid(),)
        ) as executor:
            futures = {index: executor.submit(function, tasks[index]) for index in order}
            try:
                return [futures[index].result() for index in range(len(tasks))]
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _leave_with_parent(parent: int) -> None:
    """End this process when the one that started it was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
