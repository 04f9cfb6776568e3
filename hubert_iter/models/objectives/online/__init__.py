"""Predictive, with targets that change at every update: name the cluster in which a teacher hears a masked frame.

The teacher is the exponential mean of the encoders so far, its clusters are learnt beside it. After DinoSR (Liu et al.
2023, arXiv 2305.10005) and SpidR (Poli et al. 2025, arXiv 2512.20308). Here one layer of the teacher is clustered, and
head and loss are HuBERT's: so it differs from HuBERT in when targets change, and from wav2vec 2.0 in what is asked.
"""

from dataclasses import dataclass
from typing import ClassVar

from hubert_iter.errors import UserError
from hubert_iter.models.objectives import hubert
from hubert_iter.models.settings import EncoderConfig, Sizes
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings(hubert.Settings):
    """What may be set of it, beside what it shares with HuBERT."""

    needs_labels: ClassVar[bool] = False
    codes: int = option(256, "entries of the codebook, among which a masked frame's is named", least=2, most=10**6)
    tap: int = option(
        0, "block of the teacher whose output is clustered; 0: at two thirds of the depth", least=0, most=1000
    )
    teacher_decay: float = option(0.999, "of the teacher's weights per update, at first", least=0, most=1)
    teacher_settling: float = option(
        0.99995, "factor per update on what that decay lacks to 1, so that the teacher comes to rest", least=0, most=1
    )
    code_decay: float = option(0.9, "of the codebook's entries per update", least=0, most=1)

    def depth(self, encoder: EncoderConfig) -> int:
        """The teacher's blocks, of which the last is clustered.

        By default 8 of 12, 4 of 6. DinoSR clusters each of the blocks 5 to 12, of which this is the middle; HuBERT's
        teachers are clustered at 6 and 9; and the last blocks of an encoder that is taught by targets learnt online
        are those that lose phones (docs/protocol.md section 1).
        """
        return self.tap or max(1, round(2 * encoder.layers / 3))

    def check(self, encoder: EncoderConfig) -> None:
        """Refuse an encoder that has no such block."""
        if self.depth(encoder) > encoder.layers:
            raise UserError(
                f"objective.tap: expected at most {encoder.layers}, the blocks of the model, found {self.tap}"
            )

    def build(self, sizes: Sizes):
        """The objective, with fresh weights."""
        from hubert_iter.models.objectives.online.loss import Online

        return Online(sizes, self)
