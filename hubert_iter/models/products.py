"""Matrix products with the faster of the two libraries that PyTorch has for them on a CPU.

PyTorch multiplies float32 matrices with MKL, which uses no AVX-512 on processors that are not Intel's. Its other
library, oneDNN, does: 2.2 times as fast on a Zen 5, as measured. Elsewhere they differ little, and PyTorch's choice
stands.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_ONEDNN = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """[..., K], [N, K], [N] -> [..., N]."""
    if _by_onednn(x):
        return F.linear(x.to_mkldnn(), weight, bias).to_dense()
    return F.linear(x, weight, bias)


def weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Of the weight [N, K] of `linear`, from its output's gradient [M, N] and its input [M, K]."""
    if _by_onednn(x):
        given, seen = gradient.to_mkldnn(), x.to_mkldnn()
        return torch.ops.aten.mkldnn_linear_backward_weights(given, seen, weight, False)[0]
    return gradient.t() @ x


def _by_onednn(x: Tensor) -> bool:
    """Whether to ask the other library; it would undo autocast and stop a compiler."""
    return (
        _ONEDNN
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.dim() > 1
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class Linear(nn.Linear):
    """`linear` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., K] -> [..., N]."""
        return linear(x, self.weight, self.bias)
