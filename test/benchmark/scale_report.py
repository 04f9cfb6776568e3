"""Scores of many networks, made up in the sizes that LibriSpeech-960 with BASE would have, for the report."""

import json
from pathlib import Path

import numpy as np

from hubert_iter import provenance
from hubert_iter.analysis import measures, scores, table
from hubert_iter.analysis.measure import FACT, Measure, PairRow, Row, Scored, SpeakerRow
from hubert_iter.analysis.pool import Layers
from hubert_iter.analysis.sample import PROPERTIES
from hubert_iter.config import SHARED, write_yaml

TAPS = ("conv", *map(str, range(13)))
"""Of BASE."""
SPEAKERS = 40
"""Of dev-clean."""
UPDATES, LOG_EVERY, VALID_EVERY = 250_000, 200, 5_000
SEEDS = 3
PHONES = 39


def generate(root: Path, networks: int) -> list[str]:
    """All that a report reads of so many trained networks, below `root`; the options of the report."""
    conditions = max(1, networks // SEEDS)
    rows = {f"row{number}": {"objective": "hubert", "targets": "mfcc"} for number in range(conditions)}
    study = {"model": "base", "train": "base", "k": 100, "seeds": SEEDS, "updates": UPDATES, "runs": rows}
    (root / "conf/study").mkdir(parents=True)
    write_yaml(root / "conf/study/big.yaml", study)
    names = [name if seed == 1 else f"{name}.{seed}" for name in rows for seed in range(1, SEEDS + 1)]
    exp = root / "exp/big"
    for place, name in enumerate(names):
        write_scores(exp / name, name, names[:place], np.random.default_rng(place))
        write_training(exp / name, np.random.default_rng(place))
    for seed in range(1, SEEDS + 1):
        write_quality(root / "dump/big/units", "mfcc_k100" if seed == 1 else f"mfcc_k100.{seed}")
    words = {"study": root / "conf/study/big.yaml", "expdir": exp, "dumpdir": root / "dump/big", "out": exp / "report"}
    return [word for name, value in words.items() for word in (f"--{name}", str(value))]


def write_scores(folder: Path, name: str, before: list[str], rng: np.random.Generator) -> None:
    """Scores by all measures of conf/analysis/default.yaml, with every speaker left out, and pairs of layers."""
    for each in table.read("default", [SHARED]).measures:
        measure = measures.find(each, "scale")
        if each == "similarity":
            drawn = rng.random((len(before) + 1, len(TAPS), len(TAPS), 3))
            pairs = [
                PairRow(tap, other, other_tap, "cka", trial, drawn[place, one, two, trial])
                for place, other in enumerate([*before, name])
                for one, tap in enumerate(TAPS)
                for two, other_tap in enumerate(TAPS)
                for trial in range(3)
            ]
            scored = Scored(pairs=pairs)
        else:
            scored = Scored(list(rows_of(measure, rng)), list(without_speakers(measure, rng)))
        out = folder / "measures" / each
        out.mkdir(parents=True)
        scores.write(out, Layers(out, TAPS, UPDATES, name), scored)
        provenance.write(out, "score", {"measure": each, "run": name}, {})


def rows_of(measure: Measure, rng: np.random.Generator):
    """A row for each tap, property, metric, sample set and trial."""
    for metric in measure.metrics:
        for prop in PROPERTIES:
            for tap in TAPS:
                for number, value in enumerate(rng.random(9)):
                    yield Row(tap, prop, metric.name, number // 3, number % 3, value)
    for prop in PROPERTIES:
        for fact in ("num_instances", "num_classes", "ceiling", "chance"):
            yield Row(FACT, prop, fact, 0, None, 0.5)


def without_speakers(measure: Measure, rng: np.random.Generator):
    """A row for each tap, property and speaker, of the first metric."""
    for prop in PROPERTIES[:2]:
        for tap in TAPS:
            for number, value in enumerate(rng.random(SPEAKERS)):
                yield SpeakerRow(tap, prop, measure.metrics[0].name, f"s{number}", value)


def write_training(folder: Path, rng: np.random.Generator) -> None:
    """metrics.jsonl and config.yaml of a whole training."""
    records = []
    for update in range(LOG_EVERY, UPDATES + 1, LOG_EVERY):
        values = {"loss": 4 - update / UPDATES, "accuracy": 0.5 * update / UPDATES, "grad_norm": float(rng.random())}
        common = {"update": update, "hours": update / 10, "seconds": 1.0 * update}
        records.append(
            {**common, "split": "train", **values, "feature_std": 0.5, "learning_rate": 1e-4, "skipped": 0.0}
        )
        if update % VALID_EVERY == 0:
            guesses = {"guess": 0.06, "guess_copy": 0.06, "guess_margin": 0.01, "uses_context": 1.0}
            records.append({**common, "split": "valid", **values, **guesses})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    write_yaml(folder / "config.yaml", {"model": {"layers": 12}, "train": {"clip": 10.0}, "run": {"updates": UPDATES}})


def write_quality(units: Path, name: str) -> None:
    """What labels say of phones."""
    folder = units / name / "quality"
    folder.mkdir(parents=True)
    found = {"cluster_purity": 0.1, "phone_purity": 0.4, "pnmi": 0.3, "used_clusters": 98, "speaker_share": 0.25}
    lines = [f"{name}\teval\t{metric}\t{value}\n" for metric, value in found.items()]
    (folder / "scores.tsv").write_text("labels\tset\tmetric\tvalue\n" + "".join(lines))
    pairs = [f"{name}\teval\tp{one}\tp{two}\t{1 / PHONES}\t9\n" for one in range(PHONES) for two in range(PHONES)]
    (folder / "confusion.tsv").write_text("labels\tset\tphone\tread_as\tshare\tframes\n" + "".join(pairs))
    provenance.write(folder, "score_labels", {"name": name}, {})
