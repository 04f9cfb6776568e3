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


class Workers:
    """Fresh processes with one thread each, started at the first task and ended with the `with` block."""

    def __init__(self, nj: int):
        self._nj = nj
        self._executor: ProcessPoolExecutor | None = None
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind, *_) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=kind is None, cancel_futures=True)
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def map(self, function: Callable, tasks: Sequence, cost: Callable[[Any], float] = lambda task: 0) -> list:
        """Results in the order of the tasks, which are begun in the order of falling cost."""
        executor = self._start()
        order = sorted(range(len(tasks)), key=lambda index: -cost(tasks[index]))
        futures = {index: executor.submit(function, tasks[index]) for index in order}
        try:
            return [futures[index].result() for index in range(len(tasks))]
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise

    def _start(self) -> ProcessPoolExecutor:
        if self._executor is None:
            # Read when a process loads its library.
            self._before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
            os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(
                max(1, self._nj), context, initializer=_leave_with_parent, initargs=(os.getpid(),)
            )
        return self._executor


def _leave_with_parent(parent: int) -> None:
    """End this process when the one that started it was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
