"""Recognition on the layers: error rates of a recogniser that sees their weighted mean, and the weights it learnt.

egs/*/asr1 trains and scores the recognisers (asr.sh), and its last stage writes their scores, a folder
`recognition.VARIANT` for each recogniser, way of decoding and evaluation set: they take hours of GPU, where other
measures take minutes of what stage 8 has pooled.
"""

from hubert_iter.analysis.measure import ALL, Measure, Metric, Row, Scored, SpeakerRow
from hubert_iter.errors import UserError

ERRORS, WEIGHT = "error_rate", "layer_weight"


class Recognition(Measure):
    """Written by asr_measure, not by stage 9."""

    title = "Recognition: what a recogniser makes of the layers"
    text = (
        "Errors by the reference's length (phone, word and character error rate) of recognisers that ESPnet trained "
        "on the frozen layers, alike for all networks; they see a weighted mean of all layers and learn the weights. "
        "MFCC and log-mel are the same recogniser without any network. Rates can exceed 1.",
        "A weight says which layers are of use together with the others: two layers that hold the same share their "
        "weight, so a layer may hold much and weigh little. The weights are drawn beside the CCA scores, where there "
        "are any: compare the curves' forms.",
    )
    order = 60
    made_by = "asr.sh (in the recipe's asr1 folder)"
    metrics = (Metric(ERRORS, "error rate", lower_is_better=True), Metric(WEIGHT, "learnt weight", beside="cca"))

    def check(self, settings) -> None:
        """Not scored by stage 9."""
        raise UserError(
            "analysis: recognition is no measure of stage 9: run.sh of the recipe's asr1 folder trains recognisers and "
            "writes their scores. Leave it out of the table"
        )


def scored(what: str, rate: float, without: dict[str, float], weights: dict[str, float]) -> Scored:
    """Scores of one recogniser.

    `what` is counted (phone, word, character), `without` has the rate with each speaker left out; `weights` are the
    layers', {} to leave them out.
    """
    rows = [Row(ALL, what, ERRORS, 0, 0, rate)]
    rows += [Row(layer, what, WEIGHT, 0, 0, weight) for layer, weight in weights.items()]
    return Scored(rows, [SpeakerRow(ALL, what, ERRORS, speaker, value) for speaker, value in without.items()])
