"""Check a whole study before its first stage, so that a fault in the last run shows before others are trained."""

from collections.abc import Iterable
from pathlib import Path

from hubert_iter import options
from hubert_iter.errors import UserError, nearest, summarise
from hubert_iter.models.settings import MEL, EncoderConfig
from hubert_iter.runs import BEST, Run, Study
from hubert_iter.train.config import load


def check(study: Study, folders: list[Path]) -> None:
    """Refuse a study in which a run's configuration, its teacher's tap or its start does not fit.

    `folders` have model/ objective/ train/, the first match wins.
    """
    # Replicates differ in what is drawn at random alone: the first stands for all.
    firsts = [run for run in study.all_legs() if run.replicate == 1]
    _check_pretrained(study)
    encoders = {}
    for run in firsts:
        if run.pretrained:
            continue
        try:
            model = load(run, folders).model
        except UserError as error:
            raise UserError(f"{study.path}: {error}") from None
        encoders[run.name] = options.read(EncoderConfig, model, run.model)
    for run in firsts:
        where = f"{study.path}: run {run.name}"
        if run.teacher in encoders:
            taps = (*encoders[run.teacher].taps, BEST)
            if run.tap not in taps:
                raise UserError(
                    f"{where}: targets: {run.teacher} has no tap '{run.tap}'{nearest(run.tap, taps)}, but "
                    f"{', '.join(taps)}"
                )
        if run.init in encoders and encoders[run.init].shape != encoders[run.name].shape:
            raise UserError(
                f"{where}: init: the encoder of {run.init} (model {study.runs[run.init].model}) has another shape than "
                f"this run's (model {run.model})"
            )


def check_exported(runs: Iterable[Run], folders: list[Path]) -> None:
    """Refuse runs that are to be uploaded and whose networks no other library knows."""
    mel = [run.name for run in runs if load(run, folders).model.get("front_end") == MEL]
    if mel:
        raise UserError(
            f"--push_to: {summarise(mel)} are networks on log-mel frames (front_end: {MEL}), which no other library "
            "has: nothing is exported of them. Leave out --push_to, or name others by --runs"
        )


def _check_pretrained(study: Study) -> None:
    """Networks and centroids from elsewhere that others need must be there. One that is only scored may come later."""
    needed = {name for run in study.all_legs() for name in run.needs}
    for run in study.runs.values():
        if run.pretrained and run.name in needed:
            from hubert_iter.feats.foreign import locate

            try:
                locate(run.pretrained)
            except UserError as error:
                raise UserError(f"{study.path}: run {run.name}: pretrained: {error}") from None
        if run.kmeans and not Path(run.kmeans).is_file():
            raise UserError(f"{study.path}: run {run.name}: kmeans: {run.kmeans}: no such file of centroids")
