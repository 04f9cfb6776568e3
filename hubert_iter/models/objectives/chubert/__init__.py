"""cHuBERT (Huo & Dunbar 2025): tell the label of each masked frame from those of others of its utterance."""

from dataclasses import dataclass
from typing import ClassVar

from hubert_iter.models.settings import CONTRASTIVE, ObjectiveSettings, Sizes
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings(ObjectiveSettings):
    """Options of cHuBERT."""

    asks: ClassVar[str] = CONTRASTIVE
    per_label: ClassVar[tuple[str, ...]] = ("head.embeddings",)
    embedding: int = option(256, "width of the query and of the learnt label embeddings", least=1)
    temperature: float = option(0.1, "cosines are divided by this", above=0)
    negatives: int = option(100, "masked frames drawn per masked frame; those with its own label are dropped", least=1)

    def build(self, sizes: Sizes):
        """The objective, with fresh weights."""
        from hubert_iter.models.objectives.chubert.loss import Chubert

        return Chubert(sizes.width, sizes.classes, self)
