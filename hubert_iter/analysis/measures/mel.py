"""CCA-mel: how much of the log-mel spectrum a layer's frames hold (Pasad et al., arXiv 2107.04734 and 2211.03929)."""

from pathlib import Path

from hubert_iter.analysis import two_views
from hubert_iter.analysis.measure import Material, Scored
from hubert_iter.feats.baselines import TAP

LOGMEL = "logmel"
"""The baseline whose only tap is the log-mel bands."""


class Mel(two_views.TwoViews):
    """PWCCA of each layer with 80 log-mel bands of the same 25 ms."""

    title = "CCA with the log-mel spectrum"
    text = (
        "How well 80 log-mel bands of the same 25 ms can be had from a layer by a linear map, on utterances that the "
        "map was not fitted on: 1 for a layer that holds the whole spectrum, about 0 for none of it.",
        "High where a layer is close to the input. A low score is no fault: a layer may have exchanged details of the "
        "spectrum for what is said, or for nothing, and other measures tell which.",
    )
    order = 50

    def leaves_out(self, material: Material) -> str:
        """Needs log-mel frames, enough utterances, and something else than log-mel."""
        if material.layers.name == LOGMEL:
            return "it is the log-mel spectrum"
        if LOGMEL not in material.others:
            return "log-mel frames of the evaluation set are not there"
        return super().leaves_out(material)

    def inputs(self, material: Material) -> dict[str, Path]:
        """Also the log-mel frames, where there are any."""
        return super().inputs(material) | {name: path for name, path in material.others.items() if name == LOGMEL}

    def score(self, material: Material, settings: two_views.Settings) -> Scored:
        """A score for each layer and trial, and of log-mel that belongs to other utterances."""
        return Scored(two_views.score(material, settings, "mel", material.other(LOGMEL), TAP))
