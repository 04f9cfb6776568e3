import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hubert_iter import lock
from hubert_iter.errors import UserError
from hubert_iter.provenance import Product

MAKER = """
import sys, time
from pathlib import Path
from hubert_iter.provenance import Product

out = Path(sys.argv[1])
product = Product(out, "make", {"k": sys.argv[2]}, {})
if not product.done():
    with product.writing() as work:
        with open(out.parent / "makers.txt", "a") as file:
            file.write("x")
        time.sleep(float(sys.argv[3]))
        (work / "result.txt").write_text(sys.argv[2])
"""


def maker(out: Path, k: str = "1", seconds: float = 0.3, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", MAKER, str(out), k, str(seconds)], **options)


def at_work(out: Path) -> None:
    """Wait until a maker is in the middle of its work."""
    until = time.monotonic() + 30
    while not (out.parent / "makers.txt").exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def holder(**changes) -> str:
    values = {"host": "elsewhere", "pid": 1, "started": "1", "job": "", "since": "2026-01-01 00:00:00", "token": "t"}
    return json.dumps(values | changes)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_of_several_makers_one_makes_the_folder_and_the_others_wait_for_it(tmp_path):
    out = tmp_path / "a folder" / "out"
    makers = [maker(out) for _ in range(4)]
    assert [each.wait() for each in makers] == [0] * 4
    assert (out.parent / "makers.txt").read_text() == "x"
    assert names(out.parent) == {"out", "makers.txt"}


def test_makers_with_other_settings_come_one_after_the_other(tmp_path):
    makers = [maker(tmp_path / "out", k) for k in "12"]
    assert [each.wait() for each in makers] == [0, 0]
    assert (tmp_path / "makers.txt").read_text() == "xx"
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["settings"]["k"] == (tmp_path / "out" / "result.txt").read_text()


def test_the_lock_of_a_killed_maker_is_taken_over(tmp_path):
    out = tmp_path / "out"
    killed = maker(out, seconds=60)
    at_work(out)
    killed.kill()
    killed.wait()
    assert (tmp_path / "out.lock").exists()
    assert maker(out).wait() == 0
    assert names(tmp_path) == {"out", "makers.txt"}


def test_a_number_that_now_belongs_to_another_process_counts_as_gone(tmp_path):
    (tmp_path / "out.lock").write_text(holder(host=lock._host(), pid=os.getpid(), started="1"))
    assert not lock.claim(tmp_path / "out", wait=False)
    lock.release(tmp_path / "out")
    assert not names(tmp_path)


def test_without_waiting_the_message_names_the_holder_and_the_lock(tmp_path):
    out = tmp_path / "out"
    (tmp_path / "out.lock").write_text(holder(host="node7", pid=41, job="1234"))
    with pytest.raises(UserError, match=r"process 41 on node7, Slurm job 1234, since 2026.*delete .*out\.lock"):
        lock.claim(out, wait=False)
    assert names(tmp_path) == {"out.lock"}, "somebody else's lock stays"


@pytest.mark.parametrize(("answer", "gone"), [("RUNNING", False), ("", True), ("error", True), ("down", False)])
def test_slurm_is_asked_for_the_holder_of_another_machine(tmp_path, monkeypatch, answer, gone):
    says = {"error": 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1', "down": "exit 1"}
    squeue = tmp_path / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(f"#!/bin/sh\n{says.get(answer, f'echo {answer}')}\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:{os.environ['PATH']}")
    (tmp_path / "out.lock").write_text(holder(job="1234"))
    if gone:
        lock.claim(tmp_path / "out", wait=False)
        lock.release(tmp_path / "out")
    else:
        with pytest.raises(UserError, match="1234"):
            lock.claim(tmp_path / "out", wait=False)


def test_a_requeued_job_takes_over_from_its_earlier_life(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    (tmp_path / "out.lock").write_text(holder(job="77", restarts=1))
    lock.claim(tmp_path / "out", wait=False)
    assert json.loads((tmp_path / "out.lock").read_text())["restarts"] == 2
    lock.release(tmp_path / "out")


@pytest.mark.parametrize("restarts", [0, 1])
def test_a_process_of_the_same_life_of_a_job_on_another_machine_is_waited_for(tmp_path, monkeypatch, restarts):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    if restarts:
        monkeypatch.setenv("SLURM_RESTART_COUNT", str(restarts))
    (tmp_path / "out.lock").write_text(holder(job="77", restarts=restarts))
    with pytest.raises(UserError, match="elsewhere, Slurm job 77"):
        lock.claim(tmp_path / "out", wait=False)


def gone(**changes) -> str:
    """Of this machine, under a number that now belongs to another process."""
    return holder(host=lock._host(), pid=os.getpid(), **changes)


def test_who_was_slower_to_find_the_holder_gone_never_takes_the_new_lock_away(tmp_path, monkeypatch):
    path = tmp_path / "out.lock"
    path.write_text(holder(token="faster"))
    looks, read = [], lock._read

    def look(where):
        looks.append(where)
        if len(looks) == 1:
            return lock.Holder(**json.loads(gone()))  # as it was a moment ago
        assert path.exists(), "a third one could claim the folder now"
        return read(where)

    monkeypatch.setattr(lock, "_read", look)
    with pytest.raises(UserError, match="process 1 on elsewhere"):
        lock.claim(tmp_path / "out", wait=False)
    assert len(looks) == 3 and names(tmp_path) == {"out.lock"}


def test_who_was_killed_while_removing_a_lock_keeps_nobody_from_it(tmp_path):
    (tmp_path / "out.lock").write_text(gone())
    (tmp_path / "out.lock.t").write_text(gone(token="u"))
    assert not lock.claim(tmp_path / "out", wait=False)
    assert names(tmp_path) == {"out.lock"}
    lock.release(tmp_path / "out")


def test_a_lock_that_says_nothing_is_removed_when_it_is_old(tmp_path):
    path = tmp_path / "out.lock"
    path.write_text("")
    os.utime(path, (time.time() - 60,) * 2)
    lock.claim(tmp_path / "out", wait=False)
    lock.release(tmp_path / "out")


def test_a_forked_child_does_not_let_go_of_its_parents_lock(tmp_path):
    lock.claim(tmp_path / "out")
    child = os.fork()
    if not child:
        lock.release(tmp_path / "out")
        lock._release_all()
        os._exit(0)
    os.waitpid(child, 0)
    assert names(tmp_path) == {"out.lock"}
    lock.release(tmp_path / "out")


def test_a_folder_that_is_up_to_date_is_not_claimed(tmp_path):
    product = Product(tmp_path / "out", "make", {}, {})
    with product.writing():
        pass
    assert product.done() and names(tmp_path) == {"out"}
