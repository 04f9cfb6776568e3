"""The answers of a report in sentences: from the scores, the labels and the training records."""

import re

from hubert_iter.analysis import compare
from hubert_iter.report.read import Results
from hubert_iter.report.tables import last

HEADINGS = {"phone": "Phones", "word": "Words", "speaker": "Speakers"}


def answers(results: Results) -> list[tuple[str, list[str]]]:
    """All sentences in groups (heading, sentences): one group per property, then labels and training."""
    found = compare.findings(results.scores, results.specs) if results.scores else []
    groups: dict[str, list[str]] = {}
    for sentence in found:
        named = re.search(r"\b(phone|word|speaker) CCA", sentence)
        groups.setdefault(HEADINGS[named.group(1)] if named else "Controls", []).append(sentence)
    groups["Labels and training"] = labels(results) + training(results)
    order = [*HEADINGS.values(), "Labels and training", "Controls"]
    return [(heading, groups[heading]) for heading in order if groups.get(heading)]


def labels(results: Results) -> list[str]:
    """Do labels of later iterations beat the MFCC labels in PNMI? One sentence per data set."""
    out = []
    rows = [row for row in results.quality if row["metric"] == "pnmi"]
    for name in dict.fromkeys(row["set"] for row in rows):
        values = {row["labels"]: float(row["value"]) for row in rows if row["set"] == name}
        first = {labels: value for labels, value in values.items() if labels.startswith("mfcc")}
        later = {labels: value for labels, value in values.items() if labels not in first}
        if not first or not later:
            continue
        base, best = max(first, key=first.get), max(later, key=later.get)
        verb = "beat" if later[best] > first[base] else "do not reach"
        out.append(
            f"On {name}, the labels {best} {verb} the MFCC labels {base} in PNMI: "
            f"{later[best]:.3f} against {first[base]:.3f}."
        )
    return out


def training(results: Results) -> list[str]:
    """How far each run's held-out masked accuracy is above chance."""
    learnt, not_learnt = [], []
    for run, records in results.metrics.items():
        record = last(records, "valid")
        accuracy, chance = record.get("accuracy"), record.get("chance")
        if accuracy is None or not chance:
            continue
        text = f"{run} {100 * accuracy:.1f} % (chance {100 * chance:.1f} %, {accuracy / chance:.1f} times)"
        (learnt if accuracy > 1.05 * chance else not_learnt).append(text)
    out = []
    if learnt:
        out.append(f"Right at held-out masked frames: {', '.join(learnt)}.")
    if not_learnt:
        out.append(f"Not learnt, at or below chance level: {', '.join(not_learnt)}.")
    return out
