"""The objective of wav2vec 2.0 (Baevski et al. 2020): tell a frame's own quantised features from other frames'."""

import torch
from torch import Tensor, nn

from hubert_iter.models.negatives import contrast, draw_negatives
from hubert_iter.models.objective import Contest, Frames, Objective, Outcome, cosine_logits, pick
from hubert_iter.models.quantiser import Quantiser

COLLAPSED_SHARE = 0.01
"""Share of a codebook's entries in use below which it is reported as collapsed."""


class Wav2Vec2(Objective):
    """Contrastive loss against learnt, quantised targets, and a diversity loss that keeps all codes in use."""

    needs_labels = False
    sizes = ("width", "channels")
    options = (
        "embedding", "temperature", "negatives", "groups", "entries",
        "gumbel_start", "gumbel_end", "gumbel_decay", "diversity_weight", "feature_dropout",
    )  # fmt: skip

    def __init__(
        self,
        width: int,
        channels: int,
        embedding: int = 256,
        temperature: float = 0.1,
        negatives: int = 100,
        groups: int = 2,
        entries: int = 320,
        gumbel_start: float = 2.0,
        gumbel_end: float = 0.5,
        gumbel_decay: float = 0.999995,
        diversity_weight: float = 0.1,
        feature_dropout: float = 0.1,
    ):
        super().__init__()
        self.feature_dropout = nn.Dropout(feature_dropout)
        self.quantiser = Quantiser(channels, groups, entries, embedding)
        self.target = nn.Linear(embedding, embedding)
        self.query = nn.Linear(width, embedding)
        self.temperature = temperature
        self.negatives = negatives
        self.gumbel = (gumbel_start, gumbel_end, gumbel_decay)
        self.diversity_weight = diversity_weight

    def gumbel_temperature(self, update: int) -> float:
        """Temperature of the quantiser after so many updates: falling by a factor each, to its last value."""
        start, end, decay = self.gumbel
        return max(start * decay**update, end)

    def forward(self, frames: Frames) -> Outcome:
        """Contrast masked frames' outputs with the quantised features of the same frames and of others."""
        temperature = self.gumbel_temperature(frames.update)
        quantised = self.quantiser(self.feature_dropout(frames.at_masked(frames.features)), temperature)
        queries = self.query(frames.at_masked(frames.encoded))
        # All targets of an utterance against all its queries, [B, M, M]: no [B, M, negatives, embedding].
        logits = cosine_logits(queries, self.target(quantised.vectors), self.temperature)
        codes = quantised.codes
        negatives = draw_negatives(*codes.shape, self.negatives, codes.device)
        own = torch.arange(codes.shape[1], device=codes.device).expand(codes.shape)
        result = contrast(logits, own, negatives, same=codes[:, :, None] == codes[:, None, :])
        terms = {
            "contrastive": result.loss,
            "diversity": self.diversity_weight * self._unused(quantised.soft_perplexity),
        }
        statistics = {"accuracy": result.accuracy, "chance": result.chance}
        statistics["soft_perplexity"] = quantised.soft_perplexity.detach().mean()
        for number, value in enumerate(quantised.code_perplexity, start=1):
            statistics[f"code_perplexity_{number}"] = value
        if self.training:
            # In evaluation nothing is drawn, so the temperature has no say. Filling does not wait for a GPU.
            statistics["gumbel_temperature"] = torch.full((), temperature, device=codes.device)
        contest = None if self.training else Contest(self._all_codes(frames, codes), negatives)
        return Outcome(terms, statistics, contest)

    @torch.no_grad()
    def _all_codes(self, frames: Frames, codes: Tensor) -> Tensor:
        """[B, T] the codes of all frames in evaluation, given those of the masked ones, [B, M]."""
        others = frames.unmasked()
        everywhere = codes.new_empty(frames.features.shape[:2]).scatter_(1, frames.masked, codes)
        return everywhere.scatter_(1, others, self.quantiser.codes(pick(frames.features, others)))

    def _unused(self, soft_perplexity: Tensor) -> Tensor:
        """Share of all entries that are not in use, between 0 and 1."""
        total = self.quantiser.groups * self.quantiser.entries
        return (total - soft_perplexity.sum()) / total

    def warning(self, values: dict[str, float]) -> str | None:
        """A sentence where the statistics of the last updates show that the targets have collapsed."""
        least = max(2.0, COLLAPSED_SHARE * self.quantiser.entries)
        for number in range(1, self.quantiser.groups + 1):
            used = values[f"code_perplexity_{number}"]
            if used < least:
                return (
                    f"collapse: codebook {number} uses about {used:.1f} of its {self.quantiser.entries} entries, so "
                    "targets hardly differ. Try a larger diversity_weight, a lower learning_rate, a longer warmup or a "
                    "larger batch"
                )
        return None
