"""Is there a GPU to run a model on?"""

import torch

from hubert_iter.errors import UserError


def require_gpu() -> None:
    """UserError where torch finds none."""
    if not torch.cuda.is_available():
        raise UserError(
            "--gpu true, but torch finds no GPU here. Use --ngpu 0, or check the driver and CUDA_VISIBLE_DEVICES"
        )
