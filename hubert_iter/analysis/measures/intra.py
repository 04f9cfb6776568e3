"""CCA-intra: how much of what the Transformer is given a layer still holds (Pasad et al., arXiv 2107.04734)."""

from hubert_iter.analysis import two_views
from hubert_iter.analysis.measure import Material, Scored

CONV = "conv"


class Intra(two_views.TwoViews):
    """PWCCA of each layer with the network's own frame features."""

    title = "CCA with the network's own convolutional features"
    text = (
        "How well what the convolutions (or log-mel frames in their place) give the Transformer can be had back from a "
        "layer by a linear map, on utterances that the map was not fitted on: 1 where all of it is still there.",
        "A curve that falls and rises again towards the end is an autoencoder's. The reference is each network's own, "
        "so levels of two networks compare only where their convolutions hold much the same: see CCA with the log-mel "
        "spectrum.",
    )
    order = 55

    def leaves_out(self, material: Material) -> str:
        """Needs the convolutions' output and another layer, and enough utterances."""
        if CONV not in material.layers.taps or len(material.layers.taps) == 1:
            return f"it has no layers above a tap '{CONV}'"
        return super().leaves_out(material)

    def score(self, material: Material, settings: two_views.Settings) -> Scored:
        """A score for each layer and trial, and of features that belong to other utterances."""
        return Scored(two_views.score(material, settings, CONV, material.layers, CONV))
