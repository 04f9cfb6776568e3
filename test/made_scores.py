"""Made-up rows of scores.tsv, and networks that have not learnt."""

import numpy as np

from hubert_iter.analysis import scores
from hubert_iter.analysis.learning import Learning

PAPER = {
    "random": {"objective": "none"},
    "hubert_it1": {"objective": "hubert", "targets": "mfcc", "k": 100},
    "hubert_it2": {"objective": "hubert", "targets": "hubert_it1@2", "k": 500},
    "chubert_it1": {"objective": "chubert", "targets": "mfcc", "k": 100},
    "wav2vec2": {"objective": "wav2vec2"},
}
"""Rows of a study."""


def table(run, prop, levels, spread=0.003, network=0.0, metric="pwcca", trials=3):
    """Rows as scores.tsv holds them: a deviation per trial that all share, one per network, a little of their own."""
    shared = np.random.default_rng(7).normal(0, 0.05, (3, 3))
    own = np.random.default_rng([sum(map(ord, run + prop + metric))])
    deviation = own.normal(0, network) if network else 0.0
    rows = []
    for layer, level in levels.items():
        for sample_set in range(3):
            for trial in range(trials):
                value = level + deviation + shared[sample_set, trial] + own.normal(0, spread)
                row = (run, 100, layer, prop, metric, sample_set, trial, f"{value:.10g}")
                rows.append(dict(zip(scores.COLUMNS, map(str, row), strict=True)))
    return rows


def curve(*levels, conv=0.2):
    return {"conv": conv} | {str(layer): level for layer, level in enumerate(levels)}


def idle(*names):
    return {name: Learning(name, 100, 0.19, 0.2, "copy", 0.01, False) for name in names}
