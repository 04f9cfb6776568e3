"""A run with refresh by entry points, stages 5 to 7 as the recipe calls them, in a process that can be killed."""

import os
from collections.abc import Callable
from pathlib import Path

import yaml
from tiny import Corpus
from trainings import MODEL, TRAIN

UPDATES, EVERY, K = 18, 6, 7
PRELOADED = (
    "refreshing", "hubert_iter.bin.fit_kmeans", "hubert_iter.bin.make_labels", "hubert_iter.bin.train",
    "hubert_iter.train.run", "hubert_iter.units.kmeans", "hubert_iter.feats.layers",
)  # fmt: skip
"""Modules that take seconds to load."""


def configuration(folder: Path, refresh: dict | None = None, **more) -> Path:
    """Configurations of a study of one row, `run`."""
    values = {"every": EVERY, "tap": 1, "k": K, **(refresh or {})}
    row = {"objective": "hubert", "targets": "mfcc", "k": K, "updates": UPDATES, "refresh": values, **more}
    files = {
        "model/m": MODEL,
        "train/t": {**TRAIN, "workers": 0, "checkpoint_every": 2, "valid_every": 9},
        "study/s": {"model": "m", "train": "t", "runs": {"run": row}},
    }
    for name, content in files.items():
        path = folder / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    return folder / "conf"


def steps(conf: Path, corpus: Corpus, root: Path, name: str = "run") -> list[tuple[str, Callable[[], None]]]:
    """The calls that make the run, in order, each with a name."""
    from hubert_iter import study
    from hubert_iter.bin import fit_kmeans, make_labels, train

    def call(entry, **options):
        return lambda: entry.main([word for key, value in options.items() for word in (f"--{key}", str(value))])

    sets = {"train": corpus.data, "valid": corpus.valid_data}
    found, before = [], None
    for leg in study.read(conf / "study/s.yaml").legs[name]:
        more, teacher = {}, root / leg.teacher / "model"
        labels = {each: corpus.labels.parent / each for each in sets}
        if leg.teacher:
            units, source = root / leg.labels, {"model": teacher, "tap": leg.tap}
            fit = {"data": corpus.data, "out": units / "kmeans", "k": leg.k, "portion": 1.0}
            found.append((f"k-means for {leg.name}", call(fit_kmeans, **fit, **source)))
            for each, data in sets.items():
                out = {"data": data, "kmeans": units / "kmeans", "out": units / each}
                found.append((f"{each} labels for {leg.name}", call(make_labels, **out, **source)))
            labels = {each: units / each for each in sets}
            more = {"teacher_model": teacher, "continues": root / leg.continues}
        if leg.keeps_head:
            more["old_labels"] = root / before.labels / "train" if before.teacher else corpus.labels
        options = {
            "study": conf / "study/s.yaml", "name": leg.name, "conf_dirs": conf, "out": root / leg.name,
            "data": corpus.data, "valid_data": corpus.valid_data, "labels": labels["train"],
            "valid_labels": labels["valid"],
        }  # fmt: skip
        found.append((f"training of {leg.name}", call(train, **options, **more)))
        before = leg
    return found


def make(conf: Path, corpus: Corpus, root: Path, began: Callable[[str], None] = lambda name: None) -> None:
    """Make the run, or go on making it."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name, step in steps(conf, corpus, root):
        began(name)
        step()
