"""Unit labels: each frame's nearest centroid at 50 Hz, assigned as features stream by, never without their origin.

A labels folder holds labels.ark, labels.scp, utt2num_frames and its provenance: which k-means, which features (and so
which model, by content), which data set. `verify` and `verify_same_units` refuse a mixture.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubert_iter import provenance
from hubert_iter.data.datadir import DataDir, Utterance
from hubert_iter.errors import UserError, summarise
from hubert_iter.feats import archive, normalise
from hubert_iter.feats.source import FeatureSource, describe_layer, sentence
from hubert_iter.frames import FRAME_RATE, FRAME_SHIFT, hours, num_frames
from hubert_iter.progress import Progress

NAME = "labels"
MOST_LABELS = 10**7
SLACK = 2  # frames by which labels and encoder frames may differ at an utterance's end
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Labels(Mapping):
    """Labels by utterance: int32 [T], read-only views of a memory-mapped file. May be sent to worker processes."""

    folder: Path
    k: int
    rate: int
    provenance: Mapping
    arrays: archive.Archive
    lengths: Mapping[str, int]

    def __getitem__(self, utt: str) -> np.ndarray:
        """The utterance's labels."""
        return self.arrays[utt]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def __contains__(self, utt: object) -> bool:
        return utt in self.arrays

    def histogram(self) -> np.ndarray:
        """How many frames bear each label, int64 [k]; a label out of range is an error naming the utterance."""
        counts = np.zeros(self.k, np.int64)
        for utt, labels in self.items():
            if len(labels) and (labels.min() < 0 or labels.max() >= self.k):
                raise UserError(
                    f"{self.folder}: utterance {utt}: expected labels from 0 to {self.k - 1}, found {labels.min()} to "
                    f"{labels.max()}. Make the labels again (stage 6)"
                )
            counts += np.bincount(labels, minlength=self.k)
        return counts


def read_labels(folder: str | Path) -> Labels:
    """Open a labels folder; its arrays are read when asked for."""
    folder = Path(folder)
    record = provenance.read(folder)
    settings = record["settings"]
    numbers = [settings.get(name) for name in ("k", "rate")]
    sound = all(isinstance(number, int) and 0 < number <= MOST_LABELS for number in numbers)
    if not sound or not isinstance(settings.get("features"), dict) or "kmeans" not in record["inputs"]:
        raise UserError(f"{folder}: expected labels made by make_labels, found the output of {record['command']}")
    provenance.verify(folder / f"{NAME}.ark")
    arrays = archive.read_scp(folder / f"{NAME}.scp")
    if not arrays:
        raise UserError(f"{folder}: expected labels, found no utterance. Make the labels again (stage 6)")
    lengths = archive.read_lengths(folder / "utt2num_frames")
    return Labels(folder, int(settings["k"]), int(settings["rate"]), record, arrays, lengths)


def stream(source: FeatureSource, utts: Sequence[str], centroids: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, labels at 50 Hz) in the source's order, saying now and then how long it will take.

    Of 100 Hz features every second frame is taken, starting with the first.
    """
    from hubert_iter.units import kmeans  # here: it loads faiss, which the trainer does not need

    step = step_of(source.rate)
    progress = Progress("labels", len(utts), sum(source.num_frames(utt) for utt in utts) / source.rate)
    for utt, feats in source.stream(utts):
        if feats.shape[1] != centroids.shape[1]:
            raise UserError(
                f"{source.path}: utterance {utt}: expected {centroids.shape[1]} dimensions as the k-means has, "
                f"found {feats.shape[1]}"
            )
        yield utt, kmeans.nearest(feats[::step], centroids)[1]
        progress.step(len(feats) / source.rate)


def step_of(rate: int) -> int:
    """How many feature frames pass per label."""
    if rate % FRAME_RATE:
        raise UserError(f"expected features at a multiple of {FRAME_RATE} frames/s, found {rate}")
    return rate // FRAME_RATE


def make(
    source: FeatureSource, utterances: Sequence[Utterance], centroids: np.ndarray, folder: Path, final: Path
) -> None:
    """Label utterances; each one's label count must fit its encoder frames."""
    began = time.monotonic()
    expected = {utterance.id: num_frames(utterance.num_samples) for utterance in utterances}
    counts = np.zeros(len(centroids), np.int64)
    made: dict[str, np.ndarray] = {}  # a GPU takes them by length
    for utt, labels in stream(source, list(expected), centroids):
        check_length(utt, len(labels), expected[utt], final)
        counts += np.bincount(labels, minlength=len(counts))
        made[utt] = labels.astype(np.uint16 if len(centroids) <= 65536 else np.int32)
    frames = archive.write_vectors(folder, NAME, ((utt, made[utt]) for utt in expected), final)
    log.info(
        "labels: %d utterances, %.2f h, %d of %d clusters used, the largest for %.1f %% of the frames, in %.1f s",
        len(expected), hours(frames * FRAME_SHIFT), (counts > 0).sum(), len(counts),
        100 * counts.max() / max(1, frames), time.monotonic() - began,
    )  # fmt: skip


def check_length(utt: str, num_labels: int, num_frames: int, where: str | Path) -> None:
    """Refuse a label count that differs from the encoder's frames by more than SLACK, which is trimmed."""
    if abs(num_labels - num_frames) > SLACK:
        raise UserError(
            f"{where}: utterance {utt}: expected {num_frames} labels as the encoder has frames (at most {SLACK} "
            f"more or less), found {num_labels}. Labels of other audio or another rate? Make them again (stage 6)"
        )


def check_features(source: FeatureSource, kmeans: Path) -> None:
    """Refuse to label with a k-means that was fitted on other features than the source gives."""
    record = provenance.read(kmeans)
    fitted, given = record["settings"].get("features"), source.describe()
    if fitted is None:
        raise UserError(f"{kmeans}: expected a k-means made by fit_kmeans, found the output of {record['command']}")
    if fitted != given:
        model = record["inputs"].get("model") or record["inputs"].get("mfcc") or {}
        raise UserError(
            f"{kmeans} was fitted on {sentence(fitted, model.get('path'))}, but the features given are "
            f"{sentence(given, source.path)}. Give the features that it was fitted on, or fit it again (stage 5)"
        )


def verify(
    labels: Labels, data: DataDir, *, kmeans: Path | None = None, features: dict | None = None, k: int | None = None
) -> None:
    """Refuse labels that are not what a run expects.

    Checked: the data set by content, the rate, that every utterance has labels of the right length, that labels are in
    range, and where given the k-means' folder, the features (of `describe_layer`, say) and k.
    """
    made_from = labels.provenance["inputs"]["data"]
    if made_from["id"] != provenance.identity(data.path):
        raise UserError(
            f"{labels.folder}: these labels were made for {made_from['path']} as it was then, but the data directory "
            f"given is {data.path} as it is now. Give the labels of that data set, or make them again (stage 6)"
        )
    if labels.rate != FRAME_RATE:
        raise UserError(f"{labels.folder}: expected labels at {FRAME_RATE} Hz, found {labels.rate} Hz")
    if k is not None and labels.k != k:
        raise UserError(f"{labels.folder}: expected labels of {k} clusters as the run says, found {labels.k}")
    found = labels.provenance["settings"]["features"]
    if features is not None and found != features:
        raise UserError(
            f"{labels.folder}: expected labels made from {sentence(features)}, found {sentence(found)}. "
            "Make the labels again with the teacher as it is now (stages 5 and 6)"
        )
    made_by = labels.provenance["inputs"]["kmeans"]
    if kmeans is not None and made_by["id"] != provenance.identity(kmeans):
        raise UserError(
            f"{labels.folder}: these labels were made with the k-means {made_by['path']} as it was then "
            f"({made_by['id'][:12]}), but the one given is {kmeans} ({provenance.identity(kmeans)[:12]}). "
            "Make the labels again (stage 6)"
        )
    without = [utt.id for utt in data.utterances if utt.id not in labels]
    if without:
        raise UserError(f"{labels.folder}: utterances without labels: {summarise(without)}. Make them again (stage 6)")
    for utt in data.utterances:
        check_length(utt.id, len(labels[utt.id]), num_frames(utt.num_samples), labels.folder)
    labels.histogram()


def verify_targets(labels: Labels, run: Mapping, teacher_model: Path | None, chosen_tap: str | None = None) -> None:
    """Refuse labels that are not those of a study's row: its teacher (by content), tap, normalisation and replicate.

    `run` has targets (mfcc or RUN@TAP), name, replicate, and normalise where features are not taken as they are.
    `chosen_tap` is the teacher's layer where targets leave it open (RUN@best).
    """
    settings = labels.provenance["settings"]
    found, teacher, tap = settings["features"], *run["targets"].partition("@")[::2]
    where = f"run {run['name']}: {labels.folder}"
    kind = run.get("normalise", normalise.NONE)
    if normalise.kind_of(found) != kind:
        raise UserError(
            f"{where}: the study says normalise: {kind}, but these labels were made with normalise: "
            f"{normalise.kind_of(found)}. Give the labels of this run, or make them again (stages 5 and 6)"
        )
    if not tap:
        if found.get("kind") != "mfcc":
            raise UserError(
                f"{where}: the study says targets: {run['targets']}, but these labels were made from "
                f"{sentence(found)}. Give the labels of this run, or make them again (stages 5 and 6)"
            )
    elif teacher_model is None:
        raise UserError(
            f"{where}: the study says targets: {run['targets']}: name the folder of {teacher}'s model by "
            "--teacher_model, so that the labels can be compared with it"
        )
    elif found != (expected := normalise.describe(describe_layer(teacher_model, chosen_tap or tap), kind)):
        raise UserError(
            f"{where}: the study says targets: {run['targets']}, that is {sentence(expected, teacher_model)}, but "
            f"these labels were made from {sentence(found)}. Make them again with the teacher as it is now (stages 5 "
            "and 6)"
        )
    # A k-means of the user's own may not say.
    replicate = settings.get("replicate", run["replicate"])
    if replicate != run["replicate"]:
        raise UserError(
            f"{where}: expected labels of replicate {run['replicate']}, found those of replicate {replicate}: each "
            "replicate has a k-means of its own. Give the labels of this run (stages 5 and 6)"
        )


def verify_same_units(labels: Labels, other: Labels) -> None:
    """Refuse two label sets (training and validation, say) that do not come from the same k-means."""
    first, second = labels.provenance["inputs"]["kmeans"], other.provenance["inputs"]["kmeans"]
    if first["id"] != second["id"]:
        raise UserError(
            f"{labels.folder} was labelled with the k-means {first['path']} ({first['id'][:12]}), but {other.folder} "
            f"with {second['path']} ({second['id'][:12]}). Label both with the k-means of the training set (stage 6)"
        )
    if labels.rate != other.rate:
        raise UserError(f"{labels.folder} has {labels.rate} labels/s, but {other.folder} has {other.rate}")
