"""Work done by threads ahead of its use, in order, without more results in memory than was said."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor


def ahead[T, R](pool: "Executor", work: Callable[[T], R], items: Iterable[T], most: int) -> Iterator[R]:
    """Map in order, with at most `most` results computed ahead of their use; pool.map would compute all."""
    pending = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= most:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:  # after an error, or when nobody wants the rest
            future.cancel()
