"""cHuBERT (Huo & Dunbar 2025): tell the label of each masked frame from those of others of its utterance."""

from dataclasses import dataclass
from typing import ClassVar

from hubert_iter.models.settings import CONTRASTIVE, LabelSettings, Sizes
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings(LabelSettings):
    """Options of cHuBERT."""

    asks: ClassVar[str] = CONTRASTIVE
    negatives: int = option(
        100, "masked frames drawn per masked frame; those with its own label are dropped", least=1, most=10**4
    )

    def build(self, sizes: Sizes):
        """The objective, with fresh weights."""
        from hubert_iter.models.objectives.chubert.loss import Chubert

        return Chubert(sizes.width, sizes.classes, self)
