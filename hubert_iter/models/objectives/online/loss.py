"""Name the cluster of each masked frame, as a teacher that follows the encoder hears it without masks.

B utterances of T frames, D the model's width, K codes, N = B T frames.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hubert_iter.models.encoder import Encoder
from hubert_iter.models.objective import Frames, Outcome
from hubert_iter.models.objectives.hubert.loss import Hubert
from hubert_iter.models.objectives.online import Settings
from hubert_iter.models.quantiser import perplexity
from hubert_iter.models.settings import Sizes

COLLAPSED_SHARE = 0.05
"""Share of the codes in use below which the codebook is reported as collapsed."""
COLLAPSED_SPREAD = 0.02
"""Spread of the teacher's output over an utterance below which it is reported as collapsed; it starts near 0.5."""
FIRST_FRAMES = 8
"""See `Codebook`; anything from 4 to 32 does as well."""
TINY = 1e-30
"""What is divided by is at least this."""


def normalise(heard: Tensor) -> tuple[Tensor, Tensor]:
    """[B, T, D] -> the same with mean 0 and deviation 1 of each dimension over an utterance; mean deviation before.

    So the voice is in it less, and a codebook's scale is known.
    """
    heard = heard - heard.mean(dim=1, keepdim=True)
    deviation = heard.square().mean(dim=1, keepdim=True).sqrt()
    return heard / (deviation + 1e-5), deviation.mean()


class Codebook(nn.Module):
    """K entries, each the exponential mean of the frames that were nearest to it, as in DinoSR.

    Kept are the entries and how much of all frames each has had. An entry is the mean of its frames, weighted by
    decay^age; the weight of the past is its share so far. So an entry without frames stays where it is, and moves at
    once to the first frames that come nearest to it. Nothing is divided by a sum that decays to zero.

    In the first update frames are dealt to the entries at random, and an entry begins in the direction of the sum of
    its frames, as long as the mean of FIRST_FRAMES frames is. Entries must not begin far out, where no frames are, nor
    all in the middle, from where the first to move leave nearly all frames to the others. Perplexity of 100 entries on
    an untrained tiny model's frames, lowest on the way and after 150 updates: 67 and 89; from a normal distribution, as
    DinoSR's, 5 and 8; from single frames 23 and 66; from small random vectors 19 and 77.
    """

    def __init__(self, codes: int, width: int, decay: float):
        super().__init__()
        self.decay = decay
        self.register_buffer("entries", torch.zeros(codes, width))
        self.register_buffer("shares", torch.zeros(codes))

    @property
    def begun(self) -> Tensor:
        """True after the first update; a tensor, so that nobody waits for a GPU."""
        return self.shares.sum() > 0

    def forward(self, frames: Tensor) -> Tensor:
        """[..., D] float32 -> [...] the number of the nearest entry."""
        # |f - e|^2 = |f|^2 - 2 (f.e - |e|^2 / 2), of which |f|^2 is the same for all entries.
        nearest = (frames @ self.entries.t() - self.entries.square().sum(-1) / 2).argmax(-1)
        return torch.where(self.begun, nearest, torch.randint_like(nearest, len(self.entries)))

    def move(self, sums: Tensor, counts: Tensor) -> None:
        """Take in the frames of an update: sums [K, D] over each entry's frames, and their numbers [K]."""
        length = (sums.shape[1] / FIRST_FRAMES) ** 0.5  # frames have variance 1 in each dimension
        first = length * F.normalize(sums, dim=-1)
        past, new = self.decay * self.shares, (1 - self.decay) * counts / counts.sum()
        means = sums / counts.clamp(min=TINY)[:, None]
        moved = self.entries.lerp(means, (new / (past + new).clamp(min=TINY))[:, None])
        self.entries.copy_(torch.where(self.begun, moved, first))
        self.shares.copy_(torch.where(self.begun, past + new, counts / counts.sum()))


class Online(Hubert):
    """HuBERT's head and loss on the codes of a teacher's frames."""

    def __init__(self, sizes: Sizes, settings: Settings):
        super().__init__(sizes.width, settings.codes, settings)
        # The blocks above the one that is clustered are not needed.
        self.teacher = Encoder(replace(sizes.encoder, layers=settings.depth(sizes.encoder))).requires_grad_(False)
        self.codebook = Codebook(settings.codes, sizes.width, settings.code_decay)
        self.sums: Tensor | None = None
        self.counts: Tensor | None = None
        """Of the frames since the last update."""
        self.train(self.training)

    def train(self, mode: bool = True) -> "Online":
        """The teacher always hears without dropout."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, frames: Frames) -> Outcome:
        """Predict the codes of masked frames and, if weighted, of the others."""
        codes, statistics = self._targets(frames.wave)
        outcome = super().forward(replace(frames, labels=codes))
        return replace(outcome, statistics={**outcome.statistics, **statistics})

    @torch.no_grad()
    def _targets(self, wave: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Audio [B, S] -> codes [B, T] and what to log of them; in training their frames are kept for the codebook."""
        features, _ = self.teacher.frame_features(wave)
        heard = self.teacher.transform(features)
        with torch.autocast(wave.device.type, enabled=False):
            heard, spread = normalise(heard.float())
            codes = self.codebook(heard)
            chosen = torch.zeros(codes.numel(), self.settings.codes, device=codes.device)
            chosen.scatter_(1, codes.flatten()[:, None], 1.0)
            counts = chosen.sum(0)
            if self.training:
                # A product, not index_add, whose sums differ from call to call on a GPU.
                sums = chosen.t() @ heard.flatten(0, 1)
                self.sums = sums if self.sums is None else self.sums + sums
                self.counts = counts if self.counts is None else self.counts + counts
        return codes, {"code_perplexity": perplexity(counts / counts.sum()), "teacher_std": spread}

    def after_update(self, encoder: nn.Module, updates: int, mean: Callable[[Tensor], Tensor]) -> None:
        """Let the teacher follow; move the codebook by the update's frames in all processes."""
        weight = self.teacher_weight(updates)
        student = encoder.state_dict()
        for name, kept in self.teacher.state_dict().items():
            kept.lerp_(student[name], weight)
        if self.sums is not None:
            self.codebook.move(mean(self.sums), mean(self.counts))
            self.sums = self.counts = None

    def teacher_weight(self, updates: int) -> float:
        """How far the teacher goes towards the encoder when `updates` are done: all the way at the start, then little.

        1 - decay, which falls by a factor per update, as in SpidR.
        """
        return (1 - self.settings.teacher_decay) * self.settings.teacher_settling**updates if updates else 1.0

    def warning(self, values: dict[str, float]) -> str | None:
        """A sentence where the statistics of the last updates show that the targets have collapsed."""
        used, codes = values["code_perplexity"], self.settings.codes
        advice = "Try a teacher_decay nearer to 1, a lower learning_rate, a longer warmup or a larger batch"
        if values["teacher_std"] < COLLAPSED_SPREAD:
            return f"collapse: all frames are alike to the teacher (spread {values['teacher_std']:.4f}). {advice}"
        if used < max(2.0, COLLAPSED_SHARE * codes):
            return f"collapse: about {used:.1f} of {codes} codes are in use, so targets hardly differ. {advice}"
        return None

    def facts(self) -> dict[str, object]:
        """What tells an exported model from others of its objective."""
        return {**super().facts(), "codes": self.settings.codes, "teacher's blocks": len(self.teacher.blocks)}
