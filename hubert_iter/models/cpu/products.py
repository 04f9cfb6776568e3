"""Linear maps, in place of nn.Linear: by the faster of the two libraries of matrix products that PyTorch has on a CPU.

PyTorch multiplies float32 matrices with MKL, which does not use AVX-512 on processors other than Intel's. Its other
library, oneDNN, does; without AVX-512, PyTorch's choice stands. Measured: 2.2 times as fast on a Zen 5, 1.1 times on a
Zen 4, and 0.7 times (a tiny model's map, forward and backward) on an Intel Xeon, whose MKL uses AVX-512 too.
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
    """Gradient [N, K] of the weight of `linear`, from its output's gradient [M, N] and its input [M, K]."""
    if _by_onednn(x):
        given, seen = gradient.to_mkldnn(), x.to_mkldnn()
        return torch.ops.aten.mkldnn_linear_backward_weights(given, seen, weight, False)[0]
    return gradient.t() @ x


def _by_onednn(x: Tensor) -> bool:
    """Use oneDNN? Not under autocast, which its tensors undo, nor under torch.compile, which they interrupt."""
    return (
        _ONEDNN
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.dim() > 1
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class OneDnnLinear(nn.Linear):
    """A linear map by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., K] -> [..., N]."""
        return linear(x, self.weight, self.bias)
