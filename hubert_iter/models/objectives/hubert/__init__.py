"""HuBERT (Hsu et al. 2021): predict the label of each masked frame among all classes."""

from dataclasses import dataclass
from typing import ClassVar

from hubert_iter.errors import UserError
from hubert_iter.models.settings import PREDICTIVE, LabelSettings, Sizes
from hubert_iter.options import option

LEAST_WEIGHT = 0.001
"""Of the larger one: only their ratio matters, and sums of tiny ones are 0 in float32."""


@dataclass(frozen=True)
class Settings(LabelSettings):
    """Options of HuBERT."""

    asks: ClassVar[str] = PREDICTIVE
    masked_weight: float = option(1.0, "weight of a masked frame", least=0, most=1000)
    unmasked_weight: float = option(
        0.0, "weight of any other frame; the loss is the weighted mean of all", least=0, most=1000
    )

    def __post_init__(self):
        if max(self.masked_weight, self.unmasked_weight) < LEAST_WEIGHT:
            raise UserError(
                f"masked_weight and unmasked_weight: expected one of them to be at least {LEAST_WEIGHT}, found "
                f"{self.masked_weight:g} and {self.unmasked_weight:g}"
            )

    def build(self, sizes: Sizes):
        """The objective, with fresh weights."""
        from hubert_iter.models.objectives.hubert.loss import Hubert

        return Hubert(sizes.width, sizes.classes, self)
