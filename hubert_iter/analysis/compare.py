"""Scores of several runs side by side: means with intervals, paired differences, and what they say in sentences.

Runs of a study are scored on the same segments and folds, so a difference is taken trial by trial.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from hubert_iter import provenance
from hubert_iter.analysis.intervals import Interval, interval
from hubert_iter.errors import UserError

SCORE = "pwcca"
NULL = "null_pwcca"
LINGUISTIC = ("phone", "word")
PROPERTIES = (*LINGUISTIC, "speaker")
COLUMNS = ("run", "update", "layer", "property", "metric", "sample_set", "trial", "value")
Row = Mapping[str, str]
Trials = Mapping[tuple[str, str], float]
"""(sample set, trial) -> score."""


def load(
    paths: Iterable[str | Path], command: str = "score_cca", scored_on: Iterable[str] = ("samples",)
) -> list[dict[str, str]]:
    """Read scores.tsv of several runs; UserError when they were not scored on the same segments.

    `scored_on` are the inputs and settings of `command` that must be the same.
    """
    rows: list[dict[str, str]] = []
    origins: dict[tuple, Path] = {}
    for path in map(Path, paths):
        path = path / "scores.tsv" if path.is_dir() else path
        try:
            with open(path, encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file, delimiter="\t")
                if tuple(reader.fieldnames or ()) != COLUMNS:
                    raise UserError(f"{path}:1: expected the columns {' '.join(COLUMNS)}. Run {command} again")
                rows.extend(reader)
        except FileNotFoundError:
            raise UserError(f"{path}: missing. Run {command} (stage 9)") from None
        if (path.parent / provenance.FILE_NAME).is_file():
            record = provenance.read(path.parent)
            known = {name: given["id"] for name, given in record["inputs"].items()} | record["settings"]
            origins.setdefault(tuple(known.get(name) for name in scored_on), path)
            if len(origins) > 1:
                first, second = list(origins.values())[:2]
                raise UserError(
                    f"{second}: scored on other segments than {first}. Run stages 8 and 9 again for all runs"
                )
    return rows


def summary(rows: Iterable[Row]) -> list[dict]:
    """Per run, update, layer, property and metric: mean, half (of the interval) and count, in the order of the rows."""
    values: dict[tuple, list[float]] = {}
    for row in rows:
        if row["layer"] != "-":
            key = (row["run"], int(row["update"]), row["layer"], row["property"], row["metric"])
            values.setdefault(key, []).append(float(row["value"]))
    names = ("run", "update", "layer", "property", "metric")
    return [dict(zip(names, key, strict=True)) | vars(interval(all_)) for key, all_ in values.items()]


def last_updates(rows: Iterable[Row]) -> list[Row]:
    """The rows of each run's last scored update."""
    rows = list(rows)
    last: dict[str, int] = {}
    for row in rows:
        last[row["run"]] = max(last.get(row["run"], 0), int(row["update"]))
    return [row for row in rows if int(row["update"]) == last[row["run"]]]


def by_layer(rows: Iterable[Row], run: str, prop: str, metric: str = SCORE) -> dict[str, dict[tuple[str, str], float]]:
    """Layer -> (sample set, trial) -> score, of a run's last scored update."""
    layers: dict[str, dict[tuple[str, str], float]] = {}
    for row in last_updates(row for row in rows if row["run"] == run):
        if row["layer"] != "-" and row["property"] == prop and row["metric"] == metric:
            layers.setdefault(row["layer"], {})[row["sample_set"], row["trial"]] = float(row["value"])
    return layers


def paired(first: Trials, second: Trials) -> Interval:
    """First minus second, trial by trial."""
    if first.keys() != second.keys() or not first:
        raise UserError(
            f"paired comparison: expected the same sample sets and trials, found {len(first)} and {len(second)}, of "
            f"which {len(first.keys() & second.keys())} are common. Score both runs with the same options"
        )
    return interval([first[key] - second[key] for key in first])


def differences(rows: Sequence[Row], first: str, second: str, prop: str, metric: str = SCORE) -> dict[str, Interval]:
    """Per layer that both runs have: first run minus second run."""
    one, other = by_layer(rows, first, prop, metric), by_layer(rows, second, prop, metric)
    return {layer: paired(one[layer], other[layer]) for layer in one if layer in other}


@dataclass(frozen=True)
class Curve:
    """A run's scores of one property over the Transformer's layers, with the best and the final one."""

    run: str
    prop: str
    layers: dict[int, Trials]

    @property
    def final(self) -> int:
        """The last layer."""
        return max(self.layers)

    @property
    def best(self) -> int:
        """The layer with the highest mean."""
        return max(self.layers, key=self.mean)

    def mean(self, layer: int) -> float:
        """Mean over trials."""
        return interval(list(self.layers[layer].values())).mean

    def fall(self) -> dict[tuple[str, str], float]:
        """Best layer minus final layer, per trial."""
        best, final = self.layers[self.best], self.layers[self.final]
        return {key: best[key] - final[key] for key in best}


def curve(rows: Sequence[Row], run: str, prop: str) -> Curve | None:
    """The run's curve; None where it has no scores of this property."""
    layers = {int(layer): trials for layer, trials in by_layer(rows, run, prop).items() if layer.isdigit()}
    return Curve(run, prop, layers) if layers else None


def findings(rows: Iterable[Row], runs: Mapping[str, object]) -> list[str]:
    """What the scores say to the study's questions, one sentence each. `runs`: name -> row of the study's table."""
    rows = [row for row in last_updates(rows) if row["metric"] in (SCORE, NULL)]
    scored = dict.fromkeys(row["run"] for row in rows)
    specs = {name: spec for name, spec in runs.items() if name in scored}
    curves = {(run, prop): curve(rows, run, prop) for run in scored for prop in PROPERTIES}
    curves = {key: found for key, found in curves.items() if found}
    trained = [run for run in specs if _get(specs[run], "objective") != "none"]
    sentences = []
    for prop in LINGUISTIC:
        for run in trained:
            if (run, prop) in curves:
                sentences.append(_fall(curves[run, prop]))
    sentences += _against_random(curves, specs, trained)
    for student, teacher in _iterations(specs):
        for prop in PROPERTIES:
            if (student, prop) in curves and (teacher, prop) in curves:
                sentences += _iteration(curves[student, prop], curves[teacher, prop])
    for first, second in _objectives(specs):
        for prop in PROPERTIES:
            if (first, prop) in curves and (second, prop) in curves:
                sentences.append(_objective(curves[first, prop], curves[second, prop]))
    return sentences + _null(rows)


def _fall(curve: Curve) -> str:
    """Does the final layer lie below the best one?"""
    best, final = curve.best, curve.final
    if best == final:
        level = f"{final}: {curve.mean(final):.3f}"
        return f"{curve.run}: {curve.prop} CCA is highest in the final layer ({level}); it does not fall."
    fall = interval(list(curve.fall().values()))
    levels = f"{curve.mean(best):.3f} in layer {best}, {curve.mean(final):.3f} in layer {final}"
    if not fall.clear:
        return f"{curve.run}: {curve.prop} CCA of the final layer against the best: {_no_difference(fall)} ({levels})."
    share = 100 * fall.mean / curve.mean(best)
    return (
        f"{curve.run}: {curve.prop} CCA falls in the last layers: the final layer is {fall} below the best, "
        f"{share:.0f} % ({levels})."
    )


def _against_random(curves: Mapping, specs: Mapping, trained: Sequence[str]) -> list[str]:
    """Did training teach anything, by the best layers?"""
    random = next((run for run in specs if _get(specs[run], "objective") == "none"), None)
    sentences = []
    for prop in LINGUISTIC:
        base = curves.get((random, prop))
        for run in trained if base else ():
            if found := curves.get((run, prop)):
                gain = paired(found.layers[found.best], base.layers[base.best])
                verdict = _verdict(gain, "above", "below")
                sentences.append(
                    f"{run} against the untrained network {random}, {prop} CCA of the best layers "
                    f"({found.best} and {base.best}): {verdict}."
                )
    return sentences


def _iteration(student: Curve, teacher: Curve) -> list[str]:
    """Does the next iteration change the final layer, and the fall towards it?"""
    change = paired(student.layers[student.final], teacher.layers[teacher.final])
    levels = f"{student.mean(student.final):.3f} against {teacher.mean(teacher.final):.3f}"
    names = f"From {teacher.run} to its next iteration {student.run}"
    sentences = [f"{names}, final-layer {student.prop} CCA: {_verdict(change, 'rises', 'falls')} ({levels})."]
    if student.prop not in LINGUISTIC:
        return sentences
    fall = paired(student.fall(), teacher.fall())
    verdict = _verdict(fall, "grows", "shrinks")
    sentences.append(f"{names}, the fall of {student.prop} CCA from best to final layer: {verdict}.")
    gain = paired(student.layers[student.best], teacher.layers[teacher.best])
    if not (gain.clear and gain.mean > 0):
        sentences.append(
            f"{student.run} gains no {student.prop} CCA over {teacher.run} in the best layers ({gain}): "
            "look at purity and PNMI of its labels."
        )
    return sentences


def _objective(first: Curve, second: Curve) -> str:
    """Do two objectives differ, in the final layer and over all layers?"""
    change = paired(first.layers[first.final], second.layers[second.final])
    verdict = _verdict(change, "higher", "lower")
    common = [layer for layer in first.layers if layer in second.layers]
    layers = {layer: paired(first.layers[layer], second.layers[layer]) for layer in common}
    clear = {layer: found for layer, found in layers.items() if found.clear}
    over_layers = f"{len(clear)} of {len(layers)} layers differ beyond their intervals"
    if clear:
        most = max(clear, key=lambda layer: abs(clear[layer].mean))
        over_layers += f", most of all layer {most} by {clear[most]}"
    return f"{first.run} against {second.run}, {first.prop} CCA of the final layer: {verdict}; {over_layers}."


def _null(rows: Sequence[Row]) -> list[str]:
    """Are shuffled labels at zero?"""
    null = [item for item in summary(rows) if item["metric"] == NULL and item["count"] > 1]
    if not null:
        return []
    outside = [item for item in null if abs(item["mean"]) > item["half"]]
    text = f"Shuffled labels score 0 within the interval at {len(null) - len(outside)} of {len(null)} points"
    if not outside:
        return [text + "."]
    worst = max(outside, key=lambda item: abs(item["mean"]))
    at = f"{worst['run']}, {worst['property']}, layer {worst['layer']}"
    furthest = Interval(worst["mean"], worst["half"], worst["count"])
    return [f"{text}; one in twenty is expected outside. The furthest is {furthest} ({at})."]


def _iterations(specs: Mapping) -> list[tuple[str, str]]:
    """(student, teacher) of the same objective, where both were scored."""
    pairs = []
    for name, spec in specs.items():
        teacher = _teacher(spec)
        if teacher in specs and _get(specs[teacher], "objective") == _get(spec, "objective"):
            pairs.append((name, teacher))
    return pairs


def _objectives(specs: Mapping) -> list[tuple[str, str]]:
    """Pairs of different objectives at the same iteration, cold starts only; online targets are beside iteration 1."""
    places: dict[tuple[str, int], str] = {}
    for name, spec in specs.items():
        objective = _get(spec, "objective")
        if objective != "none" and not _get(spec, "init") and not str(_get(spec, "targets")).startswith("self@"):
            places.setdefault((objective, iteration(name, specs)), name)
    return [
        (places[one], places[other])
        for one, other in combinations(places, 2)
        if one[0] != other[0] and one[1] == other[1]
    ]


def iteration(name: str, specs: Mapping) -> int:
    """Rounds of labels that led to a run: 1 for MFCC labels or online targets, else one more than its teacher's."""
    teacher = _teacher(specs[name])
    return 1 + iteration(teacher, specs) if teacher in specs and teacher != name else 1


def _teacher(spec: object) -> str:
    targets = str(_get(spec, "targets"))
    return targets.partition("@")[0] if "@" in targets else ""


def _get(spec: object, key: str) -> str:
    """A value of a study's row, be it a mapping or an object; "" where there is none."""
    return (spec.get(key) if isinstance(spec, Mapping) else getattr(spec, key, "")) or ""


def _verdict(found: Interval, up: str, down: str) -> str:
    """In words: which way and how far, or that it cannot be told."""
    if found.clear:
        return f"{up if found.mean > 0 else down} by {Interval(abs(found.mean), found.half, found.count)}"
    return _no_difference(found)


def _no_difference(found: Interval) -> str:
    if found.count < 2:
        return f"cannot be judged from one trial ({found.mean:.3f})"
    return f"no difference beyond the interval ({found})"
