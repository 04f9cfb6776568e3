"""wav2vec 2.0 (Baevski et al. 2020): tell each masked frame's quantised features from those of other masked frames."""

from dataclasses import dataclass
from typing import ClassVar

from hubert_iter.errors import UserError
from hubert_iter.models.settings import CONTRASTIVE, ObjectiveSettings, Sizes
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings(ObjectiveSettings):
    """Options of wav2vec 2.0."""

    needs_labels: ClassVar[bool] = False
    asks: ClassVar[str] = CONTRASTIVE
    embedding: int = option(256, "width of the query and of the quantised targets", least=1, most=65536)
    temperature: float = option(0.1, "cosines are divided by this", least=1e-4, most=10**4)
    negatives: int = option(
        100, "masked frames drawn per masked frame; those with the same codes are dropped", least=1, most=10**4
    )
    groups: int = option(2, "codebooks", least=1, most=64)
    entries: int = option(320, "entries of each codebook", least=2, most=65536)
    gumbel_start: float = option(
        2.0, "temperature of the quantiser's softmax at the first update", least=0.01, most=1000
    )
    gumbel_end: float = option(0.5, "lowest value of that temperature", least=0.01, most=1000)
    gumbel_decay: float = option(0.999995, "factor on that temperature per update", above=0, most=1)
    diversity_weight: float = option(0.1, "weight of the share of entries not in use", least=0, most=10**6)
    feature_dropout: float = option(0.1, "on the features that are quantised", least=0, below=1)

    def __post_init__(self):
        if self.embedding % self.groups:
            raise UserError(f"embedding {self.embedding} must be a multiple of groups {self.groups}")

    def build(self, sizes: Sizes):
        """The objective, with fresh weights."""
        from hubert_iter.models.objectives.wav2vec2.loss import Wav2Vec2

        return Wav2Vec2(sizes.width, sizes.channels, self)
