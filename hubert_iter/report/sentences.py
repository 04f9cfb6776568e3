"""Findings in words: one function for each kind. No other code reads or writes these sentences."""

import math
from collections.abc import Iterable, Sequence

from hubert_iter.analysis.findings import Finding, Kind, Verdict
from hubert_iter.analysis.learning import GUESSES
from hubert_iter.analysis.statistics import Interval
from hubert_iter.errors import summarise

LEARNING = "Has it learnt to use context?"
HEADINGS = {
    Kind.LEARNING: LEARNING,
    "phone": "Phones",
    "word": "Words",
    "speaker": "Speakers",
    Kind.LABELS: "Labels",
    Kind.CONTROL: "Controls",
}
"""Kind of finding, or else the property that it concerns -> the heading of its sentences; in the page's order."""
MOST_WANTED = 99
"""Above so many networks a difference is not worth the wait; the exact number is not said."""


def answers(findings: Iterable[Finding]) -> list[tuple[str, list[str]]]:
    """All sentences in groups (heading, sentences): whether the runs have learnt, the study's questions, all else."""
    findings = list(findings)
    questions = [finding.question for finding in findings if finding.question]
    first, *others = HEADINGS.values()
    groups: dict[str, list[str]] = {heading: [] for heading in (first, *questions, *others)}
    for finding in findings:
        heading = finding.question or HEADINGS.get(finding.kind) or HEADINGS[finding.prop]
        groups[heading].append(WORDS[finding.kind](finding))
    return [(heading, sentences) for heading, sentences in groups.items() if sentences]


def _learning(finding: Finding) -> str:
    learnt, known = finding.count
    accuracy, guess = finding.levels
    numbers = (
        f"{100 * accuracy:.1f} % of held-out masked frames right, {100 * guess:.1f} % by {GUESSES[finding.best_guess]}"
    )
    if learnt == known:
        return f"{finding.first}{_networks((known,))}: yes. {numbers}."
    if known == 1:
        return (
            f"{finding.first}: no. {numbers}, which needs no network. No finding rests on this run; its layers are "
            f"drawn pale. {_more_updates(finding)}"
        )
    some = "none" if not learnt else f"only {learnt}"
    left = "No finding rests on them" if not learnt else f"No finding rests on {summarise(finding.left_out)}"
    return (
        f"{finding.first}: {some} of {known} networks. {numbers}, which needs no network. {left}. "
        f"{_more_updates(finding)}"
    )


def _more_updates(finding: Finding) -> str:
    """What it would take."""
    if finding.updates_wanted is None:
        return "More updates are wanted, or labels that say more."
    return (
        f"At the pace of the second half of the training it would take about {finding.updates_wanted:,} updates, or "
        "labels that say more."
    )


def _fall(finding: Finding) -> str:
    best, final = finding.layers
    name = f"{finding.first}{_networks(finding.estimate.networks)}"
    levels = f"{finding.levels[0]:.3f} in layer {best}, {finding.levels[1]:.3f} in layer {final}"
    if finding.verdict is Verdict.HIGHER:
        share = f", {100 * finding.estimate.mean / finding.levels[0]:.0f} %" if finding.levels[0] > 0 else ""
        return (
            f"{name}: {finding.prop} CCA falls in the last layers: the final layer is {_size(finding.estimate)} "
            f"below the best{share} ({levels})."
        )
    if best == final:
        return f"{name}: {finding.prop} CCA is highest in the final layer ({final}: {finding.levels[1]:.3f})."
    return f"{name}: {finding.prop} CCA of the final layer against the best: {_open(finding)} ({levels})."


def _comparison(finding: Finding) -> str:
    if not finding.prop:
        names = f"{finding.first} against {finding.second}"
        if finding.left_out:
            idle = summarise(finding.left_out)
            return f"{names}: nothing can be said. No finding rests on {idle}: not learnt to use context."
        return f"{names}: nothing can be said yet, for want of scores."
    return _final_layers(finding)


def _training(finding: Finding) -> str:
    best, base = finding.layers
    verdict = _verdict(finding, "above", "below")
    return (
        f"{_both(finding)}, which is not trained, {finding.prop} CCA of the best layers ({best} and {base}): {verdict}."
    )


def _iteration(finding: Finding) -> str:
    levels = f"{finding.levels[0]:.3f} against {finding.levels[1]:.3f}"
    return f"{_next(finding)}, final-layer {finding.prop} CCA: {_verdict(finding, 'rises', 'falls')} ({levels})."


def _iteration_fall(finding: Finding) -> str:
    verdict = _verdict(finding, "grows", "shrinks")
    return f"{_next(finding)}, the fall of {finding.prop} CCA from best to final layer: {verdict}."


def _iteration_best(finding: Finding) -> str:
    text = f"{_next(finding)}, {finding.prop} CCA of the best layers: {_verdict(finding, 'rises', 'falls')}."
    if finding.verdict is not Verdict.HIGHER:
        text += " Look at purity and PNMI of its labels."
    return text


def _final_layers(finding: Finding) -> str:
    levels = f"{finding.levels[0]:.3f} and {finding.levels[1]:.3f}"
    verdict = _verdict(finding, "higher", "lower")
    return f"{_both(finding)}, {finding.prop} CCA of the final layer: {verdict} ({levels})."


def _duration(finding: Finding) -> str:
    return f"With as many updates as the whole chain of {finding.second}, or more: {_final_layers(finding)}"


def _objective_layers(finding: Finding) -> str:
    differ, total = finding.count
    text = f"{_both(finding)}, {finding.prop} CCA: {differ} of {total} layers differ"
    if differ:
        text += f", most of all layer {finding.layers[0]} by {_signed(finding.estimate)}"
    return text + " (at most one family of layers in twenty has one that does by chance)."


def _labels(finding: Finding) -> str:
    one, other = finding.levels
    verdict = {
        Verdict.HIGHER: f"have a higher PNMI than {finding.second}, by {_size(finding.estimate)}",
        Verdict.LOWER: f"have a lower PNMI than {finding.second}, by {_size(finding.estimate)}",
        Verdict.OPEN: f"and {finding.second} have the same PNMI within the interval ({_signed(finding.estimate)})",
        Verdict.UNTOLD: f"have a PNMI of {one:.3f}, {finding.second} of {other:.3f}; that is one set of each",
    }[finding.verdict]
    levels = "" if finding.verdict is Verdict.UNTOLD else f" ({one:.3f} and {other:.3f})"
    first, second = finding.count
    note = "" if first == second else f" With {first} clusters against {second}; more clusters alone raise PNMI."
    return f"The labels {finding.first} {verdict}{levels}.{note}"


def _control(finding: Finding) -> str:
    outside, total = finding.count
    text = (
        f"Shuffled labels score 0 within the interval at {total - outside} of {total} points; by chance at most about "
        f"{total / 20:.0f} would lie outside"
    )
    if not outside:
        return text + "."
    at = f"{finding.first}, {finding.prop}, layer {finding.layers[0]}"
    return f"{text}. The furthest is {_signed(finding.estimate)} ({at})."


WORDS = {
    Kind.LEARNING: _learning,
    Kind.FALL: _fall,
    Kind.COMPARISON: _comparison,
    Kind.TRAINING: _training,
    Kind.ITERATION: _iteration,
    Kind.ITERATION_FALL: _iteration_fall,
    Kind.ITERATION_BEST: _iteration_best,
    Kind.OBJECTIVE: _final_layers,
    Kind.OBJECTIVE_LAYERS: _objective_layers,
    Kind.DURATION: _duration,
    Kind.LABELS: _labels,
    Kind.CONTROL: _control,
}


def _both(finding: Finding) -> str:
    return f"{finding.first} against {finding.second}{_networks(finding.estimate.networks)}"


def _next(finding: Finding) -> str:
    return f"From {finding.second} to its next iteration {finding.first}{_networks(finding.estimate.networks)}"


def _networks(counts: Sequence[int]) -> str:
    """How many networks it rests on: " (3 and 3 networks)"; of two single ones, that it is about these."""
    if max(counts) == 1:
        return " (these two networks)" if len(counts) == 2 else " (this network)"
    return f" ({' and '.join(str(count) for count in counts)} networks)"


def _verdict(finding: Finding, up: str, down: str) -> str:
    """Which way and how far, or that it cannot be told."""
    if finding.verdict in (Verdict.HIGHER, Verdict.LOWER):
        return f"{up if finding.verdict is Verdict.HIGHER else down} by {_size(finding.estimate)}"
    return _open(finding)


def _open(finding: Finding) -> str:
    if finding.verdict is Verdict.UNTOLD:
        return f"cannot be judged from one trial ({finding.estimate.mean:.3f})"
    text = f"no difference beyond the interval ({_signed(finding.estimate)}"
    if finding.wanted:
        many = f"about {finding.wanted}" if finding.wanted <= MOST_WANTED else f"over {MOST_WANTED}"
        text += f"; one of this size would want {many} networks of each"
    return text + ")"


def _size(found: Interval) -> str:
    return f"{abs(found.mean):.3f} ± {found.half:.3f}"


def _signed(found: Interval) -> str:
    return f"{found.mean:.3f}" + ("" if math.isnan(found.half) else f" ± {found.half:.3f}")
