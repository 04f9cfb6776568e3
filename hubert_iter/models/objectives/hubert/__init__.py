"""HuBERT (Hsu et al. 2021): predict the label of each masked frame among all classes."""

from dataclasses import dataclass
from typing import ClassVar

from hubert_iter.errors import UserError
from hubert_iter.models.settings import PREDICTIVE, LabelSettings, Sizes
from hubert_iter.options import option


@dataclass(frozen=True)
class Settings(LabelSettings):
    """Options of HuBERT."""

    asks: ClassVar[str] = PREDICTIVE
    masked_weight: float = option(1.0, "weight of a masked frame", least=0)
    unmasked_weight: float = option(0.0, "weight of any other frame; the loss is the weighted mean of all", least=0)

    def __post_init__(self):
        if not self.masked_weight and not self.unmasked_weight:
            raise UserError("masked_weight and unmasked_weight: expected one of them above 0, found 0 and 0")

    def build(self, sizes: Sizes):
        """The objective, with fresh weights."""
        from hubert_iter.models.objectives.hubert.loss import Hubert

        return Hubert(sizes.width, sizes.classes, self)
