"""Work in several processes: its order, its faults, and what it leaves behind."""

import os

import pytest
from tasks import THREAD_VARIABLES, refuse, wait_and_tell

from hubert_iter.analysis.parallel import Workers
from hubert_iter.errors import UserError


def test_results_keep_the_order_of_tasks_and_costly_ones_begin_first(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with Workers(1) as workers:
        found = workers.map(wait_and_tell, [(0, 0.0), (1, 0.2), (2, 0.1)], cost=lambda task: task[1])
        assert [number for number, _, _ in found] == [0, 1, 2]
        ended = [when for _, _, when in found]
        assert ended[1] < ended[2] < ended[0]
        assert {threads for _, threads, _ in found} == {("1",) * len(THREAD_VARIABLES)}
        assert [number for number, _, _ in workers.map(wait_and_tell, [(5, 0.0), (4, 0.0)])] == [5, 4]
    assert dict(os.environ) == before


def test_an_error_in_a_task_is_passed_on_as_it_is():
    before = dict(os.environ)
    with pytest.raises(UserError, match="^layer 1: not a number$"), Workers(2) as workers:
        workers.map(refuse, range(20))
    assert dict(os.environ) == before


def test_nothing_is_started_where_nothing_is_asked():
    before = dict(os.environ)
    with Workers(4) as workers:
        assert workers._executor is None
        assert dict(os.environ) == before
