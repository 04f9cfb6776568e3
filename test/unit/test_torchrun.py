"""bin/torchrun.py and distributed.join: who does not find the others says so in one sentence, soon."""

import os
import socket
import subprocess
import sys

import pytest
from torch.distributed import run

from hubert_iter.bin import torchrun
from hubert_iter.errors import UserError
from hubert_iter.train import distributed

NODE = ("--nnodes", "2", "--node_rank", "0", "worker.py")


@pytest.fixture
def alone(monkeypatch):
    """The environment of one of two processes, without torchrun, that knows nothing of where to meet."""
    for name in ("MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def nameless(monkeypatch):
    """No machine is known by a name; torch would go on asking for minutes."""

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)


def test_a_port_in_use_ends_with_the_settings_to_look_at():
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "hubert_iter.bin.torchrun", "--master_port", port, *NODE]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    last = ended.stderr.splitlines()[-1]
    for word in ("ERROR: node 0 of 2", "EADDRINUSE", f":{port}", "--master_port", "GLOO_SOCKET_IFNAME"):
        assert word in last


def test_torchrun_does_not_wait_for_an_address_that_nobody_knows(nameless):
    with pytest.raises(SystemExit, match=r"no.such.host:29500 \(--master_addr, --master_port\)"):
        torchrun.main(["--master_addr", "no.such.host", *NODE])


def test_a_process_does_not_wait_for_an_address_that_nobody_knows(alone, nameless):
    alone.setenv("MASTER_ADDR", "no.such.host")
    alone.setenv("MASTER_PORT", "29643")
    with pytest.raises(UserError, match=r"Name or service not known.*no.such.host:29643"):
        distributed.join(gpu=False)


def test_a_process_without_an_address_names_the_setting(alone):
    with pytest.raises(UserError, match="process 0 of 2 .*MASTER_ADDR expected, but not set"):
        distributed.join(gpu=False)


def test_processes_have_time_to_save_unless_the_caller_says_otherwise(monkeypatch):
    given = []
    monkeypatch.setattr(run, "main", lambda words: given.append(run.config_from_args(run.parse_args(words))[0]))
    monkeypatch.setenv("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "7")
    torchrun.main(["worker.py"])
    monkeypatch.delenv("TORCH_ELASTIC_SHUTDOWN_TIMEOUT")
    torchrun.main(["worker.py"])
    torchrun.main(["--shutdown_timeout", "8", "worker.py"])
    assert [each.shutdown_timeout for each in given] == [7, torchrun.SHUTDOWN_SECONDS, 8]


def test_the_other_processes_are_named_when_one_is_gone():
    world = distributed.World(1, 3, device=None)
    named = pytest.raises(UserError, match=r"process 1 of 3: another process of this training \(of rank 0, 2\)")
    with named, distributed.together(world):
        raise RuntimeError("Connection closed by peer [10.0.0.7]:1234")
