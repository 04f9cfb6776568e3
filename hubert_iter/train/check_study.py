"""A whole study looked at before its first stage, so that a fault in its last run costs no training of the others."""

from pathlib import Path

import torch

from hubert_iter.errors import UserError, nearest
from hubert_iter.models.pretrainer import Pretrainer, build
from hubert_iter.study import Study
from hubert_iter.train.config import RunConfig, load


def check(study: Study, folders: list[Path]) -> None:
    """Refuse a study in which a run's configuration, its teacher's tap or its start does not fit.

    `folders` have model/ objective/ train/, the first match wins.
    """
    # Replicates differ in what is drawn at random alone: the first stands for all.
    firsts = [run for run in study.runs.values() if run.replicate == 1]
    configs = {run.name: load(run, folders) for run in firsts}
    models = {name: _shape(config) for name, config in configs.items()}
    for run in firsts:
        where = f"{study.path}: run {run.name}"
        if run.teacher:
            taps = models[run.teacher].encoder.config.taps
            if run.tap not in taps:
                raise UserError(
                    f"{where}: targets: {run.teacher} has no tap '{run.tap}'{nearest(run.tap, taps)}, but "
                    f"{', '.join(taps)}"
                )
        if run.init and _sizes(models[run.init]) != _sizes(models[run.name]):
            raise UserError(
                f"{where}: init: the encoder of {run.init} (model {study.runs[run.init].model}) has another shape than "
                f"this run's (model {run.model})"
            )


def _shape(config: RunConfig) -> Pretrainer:
    """The model without memory for its weights."""
    with torch.device("meta"):
        return build(config.model, config.objective, config.classes, " ".join(config.sources))


def _sizes(model: Pretrainer) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in model.encoder.state_dict().items()}
