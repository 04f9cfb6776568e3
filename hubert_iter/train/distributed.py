"""One process, or many started by torchrun: rank, device, and the few exchanges the loop needs."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import torch
import torch.distributed as dist

from hubert_iter.errors import UserError, summarise
from hubert_iter.models.gpu import require_gpu

PATIENCE = timedelta(seconds=float(os.environ.get("HUBERT_ITER_PATIENCE", "300")))
"""How long processes wait for each other before the first update, when all are to be there."""


@dataclass(frozen=True)
class World:
    """This process's place among all processes."""

    rank: int
    size: int
    device: torch.device
    cpu_group: dist.ProcessGroup | None = None
    """All processes, by gloo also where gradients go by NCCL: an exchange in it does not wait for the GPU."""

    @property
    def first(self) -> bool:
        """True for the one process that writes files."""
        return self.rank == 0

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Mean over processes."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.size

    def any(self, flag: bool) -> bool:
        """True where any process says so."""
        return bool(self.most([float(flag)])[0])

    def most(self, values: list[float]) -> list[float]:
        """The largest of each value over processes."""
        if self.size == 1:
            return values
        given = torch.tensor(values)
        dist.all_reduce(given, op=dist.ReduceOp.MAX, group=self.cpu_group)
        return given.tolist()

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            dist.barrier()


def join(gpu: bool) -> World:
    """Join the processes that torchrun started, or be alone."""
    if gpu:
        require_gpu()
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    world = World(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)), device)
    return replace(world, cpu_group=_meet(world)) if world.size > 1 else world


def _meet(world: World) -> dist.ProcessGroup:
    """Find the others and exchange a number with them; UserError that names what to look at where that fails.

    Returns World's cpu_group.
    """
    gpu = world.device.type == "cuda"
    host, port = (os.environ.get(name, "<not set>") for name in ("MASTER_ADDR", "MASTER_PORT"))
    try:
        if "MASTER_ADDR" in os.environ:
            find(host)
        dist.init_process_group("nccl" if gpu else "gloo", timeout=PATIENCE)
        cpu_group = dist.new_group(backend="gloo", timeout=PATIENCE)
        dist.monitored_barrier(cpu_group, timeout=PATIENCE)  # it names the processes that do not answer
        ranks = torch.tensor(world.rank, device=world.device)
        dist.all_reduce(ranks, op=dist.ReduceOp.MAX)
        highest = ranks.item()
        # Later they may wait longer: for the first one's validation, say.
        for group in (None, cpu_group):
            dist.set_timeout(dist.default_pg_timeout, group)
    except (RuntimeError, ValueError, OSError) as error:  # an exchange, a setting that is missing, an unknown name
        who = f"process {world.rank} of {world.size}"
        raise not_met(who, f"{host}:{port} (MASTER_ADDR, MASTER_PORT)", error) from None
    if highest != world.size - 1:
        raise UserError(f"processes count themselves up to {highest}, but there should be {world.size}: check RANK")
    return cpu_group


def find(host: str) -> None:
    """OSError where no machine has this name: torch would ask for it again and again, for minutes."""
    socket.getaddrinfo(host, None)


def not_met(who: str, where: str, error: Exception) -> UserError:
    """What to look at where processes, or torchrun's on several machines, do not find each other."""
    return UserError(
        f"{who} does not reach the others ({str(error).strip().splitlines()[0]}). They meet at {where}: can all "
        "machines reach that port, and is it free? GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME name the network to use, "
        "NCCL_DEBUG=INFO shows what NCCL tries; HUBERT_ITER_PATIENCE is how many seconds processes wait for each "
        f"other, now {PATIENCE.total_seconds():.0f}"
    )


@contextmanager
def together(world: World) -> Iterator[None]:
    """Say in one sentence that another process has ended, in place of the exchange's own error."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if world.size == 1 or not any(sign in text for sign in _GONE):
            raise
        # torch says at most at which address it was.
        others = summarise(str(rank) for rank in range(world.size) if rank != world.rank)
        raise UserError(
            f"process {world.rank} of {world.size}: another process of this training (of rank {others}) has ended or "
            f"does not answer ({text.strip().splitlines()[0][:200]}). Its own message, above or in its machine's log, "
            "says why"
        ) from None


_GONE = ("closed by peer", "Connection reset", "Timed out", "timed out", "NCCL", "gloo", "Broken pipe")
"""What errors of exchanges with a process that is gone have in them."""


def precision_on(device: torch.device) -> str:
    """bfloat16 where a device has instructions to multiply it, on a CPU AVX512_BF16 or AMX; float32 elsewhere."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
    else:
        able = torch.cpu.get_capabilities()
        fast = able.get("avx512_bf16", False) or able.get("amx_bf16", False)
    return "bfloat16" if fast else "float32"


def leave(world: World) -> None:
    """End the exchange."""
    if world.size > 1:
        dist.destroy_process_group()
