"""The findings of arXiv 2508.08110 as claims: shown, not shown, contrary, or not to be told, with what each rests on.

Huo and Dunbar's findings (docs/protocol.md section 1), one by one, of every pair of conditions of a study that could
bear them out. A claim is about conditions: from one network of each it cannot be told.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hubert_iter.analysis import findings
from hubert_iter.analysis.findings import Evidence, Finding, Kind
from hubert_iter.analysis.sample import PROPERTIES
from hubert_iter.analysis.scores import LINGUISTIC
from hubert_iter.analysis.statistics import Interval
from hubert_iter.runs import Run

MARGIN = 0.03
"""PWCCA within which two conditions count as alike, and below which a difference does not matter. Six networks of one
condition differed by 0.012 in pairs (docs/protocol.md section 7), so three of each can just show it."""
SPEAKER = "speaker"


class Claim(StrEnum):
    """What the paper finds."""

    FIRST_FALLS = "first_falls"
    """A first iteration's final layer lies below its best one; so does wav2vec 2.0's."""
    NEXT_FALLS_LESS = "next_falls_less"
    """The next iteration's does so less."""
    SPEAKER_FALLS = "speaker_falls"
    """The final layer's speaker score falls with the iteration."""
    ALIKE = "alike"
    """Objectives with labels of the same iteration are alike."""
    LONGER_FALLS_SHORT = "longer_falls_short"
    """Targets learnt online, with as many updates as a later iteration has had in all, do not come up to it."""


class Standing(StrEnum):
    """How a claim stands."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    CONTRARY = "contrary"
    FEW = "cannot be told from so few networks"
    IDLE = "cannot be told: not learnt to use context"
    MISSING = "not scored yet"
    UNSCORED = "cannot be told: too few classes in the evaluation set"


KINDS = {
    Claim.FIRST_FALLS: (Kind.FALL, 1),
    Claim.NEXT_FALLS_LESS: (Kind.ITERATION_FALL, -1),
    Claim.SPEAKER_FALLS: (Kind.ITERATION, -1),
    Claim.ALIKE: (Kind.OBJECTIVE, 0),
    Claim.LONGER_FALLS_SHORT: (Kind.DURATION, -1),
}
"""The finding that a claim is judged by, and the sign that it expects of it; 0: none beyond MARGIN."""


@dataclass(frozen=True)
class Judged:
    """One claim about one condition or two, and one property."""

    claim: Claim
    first: str
    second: str
    prop: str
    standing: Standing
    estimate: Interval | None


def judge(runs: Mapping[str, Run], found: Sequence[Finding], unscored: Collection[str] = ()) -> list[Judged]:
    """All claims that the study's conditions could bear out, by its findings.

    `unscored`: properties that the evaluation set has too few classes of, such as speakers where there is one.
    """
    known = {(finding.kind, finding.first, finding.second, finding.prop): finding for finding in found}
    idle = {name for finding in found if finding.kind is Kind.LEARNING for name in finding.left_out}
    evidence = Evidence(runs, {})
    judged = []
    for claim, first, second, prop in _possible(evidence):
        kind, sign = KINDS[claim]
        finding = known.get((kind, first, second, prop))
        if finding:
            standing = stand(finding.estimate, sign)
        elif prop in unscored:
            standing = Standing.UNSCORED
        else:
            networks = [run.name for name in (first, second) if name for run in evidence.conditions[name]]
            standing = Standing.IDLE if idle.intersection(networks) else Standing.MISSING
        judged.append(Judged(claim, first, second, prop, standing, finding and finding.estimate))
    return judged


def stand(estimate: Interval, sign: int) -> Standing:
    """What an interval over networks says of a claim that the estimate has this sign, or with 0 is within MARGIN."""
    if not estimate.networks or min(estimate.networks) < 2 or math.isnan(estimate.half):
        return Standing.FEW
    if sign == 0:
        if abs(estimate.mean) + estimate.half < MARGIN:
            return Standing.SHOWN
        if abs(estimate.mean) - estimate.half > MARGIN:
            return Standing.CONTRARY
    elif estimate.clear:
        return Standing.SHOWN if estimate.mean * sign > 0 else Standing.CONTRARY
    # Neither: the claim is not shown where the interval is narrow enough to have seen a difference that matters.
    return Standing.NOT_SHOWN if estimate.half <= MARGIN else Standing.FEW


def _possible(evidence: Evidence) -> Iterable[tuple[Claim, str, str, str]]:
    """(claim, first, second, property), in the order of the paper."""
    trained = [name for name in evidence.conditions if evidence.first(name).trained]
    plain = _as_in_the_paper(evidence, trained)
    durations = [pair for pair in findings.durations(evidence, trained) if pair[1] in plain]
    iterations = findings.iterations(evidence, plain)
    for name in dict.fromkeys([*plain, *(long for long, _ in durations)]):
        if evidence.first(name).iteration == 1:
            yield from ((Claim.FIRST_FALLS, name, "", prop) for prop in LINGUISTIC)
    for student, teacher in iterations:
        yield from ((Claim.NEXT_FALLS_LESS, student, teacher, prop) for prop in LINGUISTIC)
    for student, teacher in iterations:
        yield Claim.SPEAKER_FALLS, student, teacher, SPEAKER
    for one, other in findings.objectives(evidence, plain):
        if evidence.first(one).targets and evidence.first(other).targets:
            yield from ((Claim.ALIKE, one, other, prop) for prop in PROPERTIES)
    for long, later in durations:
        yield from ((Claim.LONGER_FALLS_SHORT, long, later, prop) for prop in LINGUISTIC)


def _as_in_the_paper(evidence: Evidence, trained: Sequence[str]) -> list[str]:
    """The first condition in the table of each objective and iteration: cold starts, on labels that last to the end."""
    found: dict[tuple[str, int], str] = {}
    for name in trained:
        run = evidence.first(name)
        if not run.init and not run.refresh:
            found.setdefault((run.objective, run.iteration), name)
    return list(found.values())
