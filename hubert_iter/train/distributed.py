"""One process, or many started by torchrun: rank, device, and the few exchanges the loop needs."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist

from hubert_iter.errors import UserError


@dataclass(frozen=True)
class World:
    """This process's place among all processes."""

    rank: int
    size: int
    device: torch.device

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
        given = torch.tensor(values, device=self.device)
        dist.all_reduce(given, op=dist.ReduceOp.MAX)
        return given.tolist()

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            dist.barrier()


def join(gpu: bool) -> World:
    """Join the processes that torchrun started, or be alone."""
    if gpu and not torch.cuda.is_available():
        raise UserError(
            "--gpu true, but torch finds no GPU here. Use --ngpu 0, or check the driver and CUDA_VISIBLE_DEVICES"
        )
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if gpu else "gloo")
    return World(int(os.environ.get("RANK", 0)), size, device)


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
