"""The Gumbel-softmax product quantiser of wav2vec 2.0 (Baevski et al. 2020, section 2).

G codebooks with V entries each; a frame's target is one entry of each, side by side.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Quantised:
    """Quantised frames: M of each of B utterances."""

    vectors: Tensor
    """[B, M, width] the chosen entries, side by side."""
    codes: Tensor
    """[B, M] one number per combination of entries: equal where the vectors are."""
    soft_perplexity: Tensor
    """[G] of the mean softmax over frames, without noise; carries a gradient."""
    code_perplexity: Tensor
    """[G] of the entries that were chosen most likely without noise: how many are in use."""


class Quantiser(nn.Module):
    """Choose an entry of each codebook, at random while training, with a straight-through gradient."""

    def __init__(self, inputs: int, groups: int, entries: int, width: int):
        super().__init__()
        self.groups = groups
        self.entries = entries
        self.scores = nn.Linear(inputs, groups * entries)
        self.codebooks = nn.Parameter(torch.empty(groups, entries, width // groups).uniform_())
        nn.init.normal_(self.scores.weight)
        nn.init.zeros_(self.scores.bias)

    def forward(self, x: Tensor, temperature: float) -> Quantised:
        """[B, M, C] -> quantised; in float32 whatever the precision around, except the linear map."""
        scores = self.scores(x)
        with torch.autocast(x.device.type, enabled=False):
            return self._choose(scores.float().unflatten(-1, (self.groups, self.entries)), temperature)

    def codes(self, x: Tensor) -> Tensor:
        """[B, M, C] -> [B, M] the codes that evaluation gives, alone."""
        return self._combined(self.scores(x).float().unflatten(-1, (self.groups, self.entries)).argmax(-1))

    def noise(self, scores: Tensor) -> Tensor:
        """Gumbel noise in the shape of the scores."""
        return -torch.empty_like(scores).exponential_().log()

    def _choose(self, scores: Tensor, temperature: float) -> Quantised:
        likeliest = scores.argmax(-1)
        if self.training:
            noisy = scores + self.noise(scores)
            chosen = noisy.argmax(-1)
            soft = (noisy / temperature).softmax(-1)
            # Forward exactly the chosen entries, backward the softmax: the difference is zero to the last bit.
            weights = _one_hot(chosen, scores) + (soft - soft.detach())
        else:
            chosen = likeliest
            weights = _one_hot(chosen, scores)
        vectors = torch.einsum("bmgv,gvd->bmgd", weights, self.codebooks).flatten(-2)
        soft_perplexity = perplexity(scores.softmax(-1).mean((0, 1)))
        with torch.no_grad():
            code_perplexity = perplexity(_one_hot(likeliest, scores).mean((0, 1)))
        return Quantised(vectors, self._combined(chosen), soft_perplexity, code_perplexity)

    def _combined(self, chosen: Tensor) -> Tensor:
        """[..., G] entries -> [...] one number per combination."""
        codes = chosen[..., 0]
        for group in range(1, self.groups):
            codes = codes * self.entries + chosen[..., group]
        return codes


def perplexity(shares: Tensor) -> Tensor:
    """[..., V] probabilities -> [...] exp of their entropy: V where all are equal, 1 where one has all."""
    return torch.exp(-(shares * torch.log(shares + 1e-7)).sum(-1))


def _one_hot(index: Tensor, like: Tensor) -> Tensor:
    return torch.zeros_like(like).scatter_(-1, index[..., None], 1.0)
