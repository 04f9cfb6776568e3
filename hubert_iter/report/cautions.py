"""What a reader must know before the answers: voices that were trained on, a single voice, what could not be scored."""

from collections.abc import Iterator

from hubert_iter.analysis import measures
from hubert_iter.errors import summarise
from hubert_iter.feats.baselines import BASELINES
from hubert_iter.report.read import Results


def cautions(results: Results) -> list[str]:
    """Each a sentence or two; none where the corpus has all that is wanted."""
    return [*_shared(results), *_one_speaker(results), *_properties(results), *_left_out(results), *_metrics(results)]


def unscored(results: Results) -> set[str]:
    """Properties that the evaluation set has too few classes of."""
    return {prop for prop, facts in results.samples.items() if facts["wanted"] and not facts["kept"]}


def _shared(results: Results) -> Iterator[str]:
    for each in results.data:
        if each.shared_speakers:
            others, count = ", ".join(sorted(set(each.shared_speakers.values()))), len(each.shared_speakers)
            which = f"All speakers ({count})" if count == each.speakers else f"{count} of {each.speakers} speakers"
            yield (
                f"{which} of {each.name} are in {others} too, as --same_speakers allows: the networks were trained on "
                "these voices. Scores may be higher than for voices that they have not heard, and say nothing of those."
            )


def _one_speaker(results: Results) -> Iterator[str]:
    if results.samples.get("speaker", {}).get("wanted") == 1:
        yield (
            "The evaluation set has one speaker. Intervals cover segments, splits and, where there are several, "
            "networks, but no speakers, whatever is said of intervals below: nothing here is known to hold for another "
            "voice."
        )


def _properties(results: Results) -> Iterator[str]:
    for prop in sorted(unscored(results)):
        facts = results.samples[prop]
        yield (
            f"Not scored: {prop} identity. It takes two {prop}s with {facts['minimum']} instances each; the evaluation "
            f"set has {facts['found']}" + (f", {facts['lost']} of them with fewer." if facts["found"] > 1 else ".")
        )


def _left_out(results: Results) -> Iterator[str]:
    """Measures that score no network at all; of single networks that is told elsewhere, or goes without saying."""
    for name, networks in results.left_out.items():
        if name not in results.measured:
            # What baselines lack is no news, where networks have a reason of their own.
            told = {run: why for run, why in networks.items() if run not in BASELINES} or networks
            title = measures.find(name, "report").title
            yield f"Not scored: {title} ({name}): {summarise(sorted(set(told.values())), 2)}."


def _metrics(results: Results) -> Iterator[str]:
    for measured in results.measured.values():
        found = {row["metric"] for row in measured.rows}
        for metric in measured.measure.metrics:
            if metric.needs and metric.name not in found:
                yield f"Not scored: {metric.label}. It takes {metric.needs}."
