"""utils/node.py: several machines that find each other, here two processes on one."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "egs/TEMPLATE/ssl1/utils/node.py"
WORKER = """
import sys
import torch
import torch.distributed as distributed

distributed.init_process_group("gloo")
total = torch.tensor([distributed.get_rank() + 1])
distributed.all_reduce(total)
print(f"rank {distributed.get_rank()} of {distributed.get_world_size()}: {total.item()} {sys.argv[1:]}")
distributed.destroy_process_group()
"""


def node(folder: Path, number: int, *options: str) -> subprocess.Popen:
    """Start one of two nodes."""
    settings = ["--node", str(number), "--num_nodes", "2", "--ngpu", "0", "--meeting", folder / "meeting", *options]
    command = [sys.executable, NODE, *settings, folder / "worker.py", "--word", "a b"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_nodes_meet_though_the_file_of_a_start_before_the_queue_is_there(tmp_path, monkeypatch):
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    (tmp_path / "meeting").write_text("127.0.0.1:1 0")
    second = node(tmp_path, 2)
    first = node(tmp_path, 1)
    printed = [process.communicate(timeout=240)[0] for process in (first, second)]
    for rank, text in enumerate(printed):
        assert f"rank {rank} of 2: 3 ['--word', 'a b']" in text, "\n".join(printed)
    assert (first.returncode, second.returncode) == (0, 0)


def test_a_node_whose_first_never_comes_says_so(tmp_path):
    (tmp_path / "meeting").write_text("127.0.0.1:1 1")  # not of this start
    process = node(tmp_path, 2, "--patience", "0.5")
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert str(tmp_path / "meeting") in text
