"""The table on top: how the paper's findings stand in a study."""

from collections.abc import Sequence

from hubert_iter.analysis.claims import MARGIN, Claim, Judged, Standing
from hubert_iter.report.section import NONE, Table

WORDS = {
    Claim.FIRST_FALLS: "final layer below the best one",
    Claim.NEXT_FALLS_LESS: "the next iteration falls less",
    Claim.SPEAKER_FALLS: "the next iteration's final layer knows less of speakers",
    Claim.ALIKE: f"objectives alike, within {MARGIN}",
    Claim.LONGER_FALLS_SHORT: "longer training with online targets does not come up to a later iteration",
}
HEADER = ["finding of the paper", "of", "property", "estimate", "networks", "here"]


def table(judged: Sequence[Judged]) -> Table:
    """One claim a row; without rows where the study has no conditions for any."""
    rows = []
    for each in judged:
        found = each.estimate
        of = f"{each.first} against {each.second}" if each.second else each.first
        told = [f"{found.mean:.3f} ± {found.half:.3f}", _count(found.networks)] if found else [NONE, NONE]
        rows.append([WORDS[each.claim], of, each.prop, *told, str(each.standing)])
    clear = (Standing.SHOWN, Standing.CONTRARY)
    strong = frozenset((place, len(HEADER) - 1) for place, each in enumerate(judged) if each.standing in clear)
    title = (
        "The paper's findings in this study (final layers, PWCCA; intervals over evaluation speakers, and over "
        "networks where there are several)"
    )
    return Table(title, HEADER, rows, strong, wordy=True)


def _count(networks: Sequence[int]) -> str:
    return " and ".join(map(str, networks))
