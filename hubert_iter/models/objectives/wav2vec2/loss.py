"""The objective of wav2vec 2.0 (Baevski et al. 2020): tell a frame's own quantised features from other frames'."""

import torch
from torch import Tensor, nn

from hubert_iter.models.negatives import contrast, draw_negatives
from hubert_iter.models.objective import Contest, Frames, Head, Objective, Outcome, cosine_logits, pick
from hubert_iter.models.objectives.wav2vec2 import Settings
from hubert_iter.models.quantiser import Quantiser

COLLAPSED_SHARE = 0.01
"""Share of a codebook's entries in use below which it is reported as collapsed."""
_NAMES = (
    ("quantiser.scores.weight", "quantizer.weight_proj.weight", "quantizer.weight_proj.weight"),
    ("quantiser.scores.bias", "quantizer.weight_proj.bias", "quantizer.weight_proj.bias"),
    ("quantiser.codebooks", "quantizer.vars", "quantizer.codevectors"),
    ("target.weight", "project_q.weight", "project_q.weight"),
    ("target.bias", "project_q.bias", "project_q.bias"),
    ("query.weight", "final_proj.weight", "project_hid.weight"),
    ("query.bias", "final_proj.bias", "project_hid.bias"),
)
"""Weights of the head: ours, fairseq's, Hugging Face's. torchaudio has none."""


class Wav2Vec2(Objective):
    """Contrastive loss against learnt, quantised targets, and a diversity loss that keeps all codes in use."""

    def __init__(self, width: int, channels: int, settings: Settings):
        super().__init__(settings)
        embedding = settings.embedding
        self.feature_dropout = nn.Dropout(settings.feature_dropout)
        self.quantiser = Quantiser(channels, settings.groups, settings.entries, embedding)
        self.target = nn.Linear(embedding, embedding)
        self.query = nn.Linear(width, embedding)

    def gumbel_temperature(self, update: int) -> float:
        """Temperature of the quantiser after so many updates: falling by a factor each, to its last value."""
        settings = self.settings
        return max(settings.gumbel_start * settings.gumbel_decay**update, settings.gumbel_end)

    def forward(self, frames: Frames) -> Outcome:
        """Contrast masked frames' outputs with the quantised features of the same frames and of others."""
        temperature = self.gumbel_temperature(frames.update)
        quantised = self.quantiser(self.feature_dropout(frames.at_masked(frames.features)), temperature)
        queries = self.query(frames.at_masked(frames.encoded))
        # All targets of an utterance against all its queries, [B, M, M]: no [B, M, negatives, embedding].
        logits = cosine_logits(queries, self.target(quantised.vectors), self.settings.temperature)
        codes = quantised.codes
        negatives = draw_negatives(*codes.shape, self.settings.negatives, codes.device)
        own = torch.arange(codes.shape[1], device=codes.device).expand(codes.shape)
        result = contrast(logits, own, negatives, same=codes[:, :, None] == codes[:, None, :])
        terms = {
            "contrastive": result.loss,
            "diversity": self.settings.diversity_weight * self._unused(quantised.soft_perplexity),
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
        """A sentence if the targets have collapsed."""
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

    def fairseq(self) -> Head:
        """As in fairseq's Wav2Vec2Model."""
        settings = self.settings
        config = {
            "_name": "wav2vec2",
            "quantize_targets": True,
            "final_dim": settings.embedding,
            "latent_groups": settings.groups,
            "latent_vars": settings.entries,
            "latent_temp": [settings.gumbel_start, settings.gumbel_end, settings.gumbel_decay],
            "num_negatives": settings.negatives,
            "logit_temp": settings.temperature,
            "dropout_features": settings.feature_dropout,
        }
        return Head(self._weights(1), config)

    def huggingface(self) -> Head:
        """As in transformers' Wav2Vec2ForPreTraining."""
        settings = self.settings
        config = {
            "architectures": ["Wav2Vec2ForPreTraining"],
            "model_type": "wav2vec2",
            "num_codevector_groups": settings.groups,
            "num_codevectors_per_group": settings.entries,
            "codevector_dim": settings.embedding,
            "proj_codevector_dim": settings.embedding,
            "num_negatives": settings.negatives,
            "contrastive_logits_temperature": settings.temperature,
            "diversity_loss_weight": settings.diversity_weight,
            "feat_quantizer_dropout": settings.feature_dropout,
        }
        return Head(self._weights(2), config, note="Wav2Vec2Model, or Wav2Vec2ForPreTraining with its quantiser")

    def _weights(self, column: int) -> dict[str, Tensor]:
        """The head's weights by the names of a column of _NAMES; the others list all codebooks as one."""
        ours = self.state_dict()
        ours["quantiser.codebooks"] = ours["quantiser.codebooks"].flatten(0, 1)[None]
        return {row[column]: ours[row[0]] for row in _NAMES}
