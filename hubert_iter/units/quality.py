"""How well labels tell phones apart: the measures of HuBERT (arXiv 2106.07447, section V-C) and facts of the labels.

Those of phones come from counts of frames that bear label z while phone y is spoken at their centre. They come
twice (docs/protocol.md section 3): without frames that bear no phone (silence, noise), and, under names ending in _sil,
with these frames as one more phone, SIL. Utterances without any alignment count only for what needs no phones: the
share of the speaker's entropy, used clusters, entropy, run length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubert_iter import tsv
from hubert_iter.data import alignment
from hubert_iter.data.datadir import DataDir
from hubert_iter.errors import UserError
from hubert_iter.frames import num_frames
from hubert_iter.units.labels import Labels

COLUMNS = ("labels", "set", "metric", "value")
CONFUSION_COLUMNS = ("labels", "set", "phone", "read_as", "share", "frames")
PHONE_METRICS = ("cluster_purity", "phone_purity", "pnmi")
SILENCE = "_sil"  # ends the names of measures that count silence as a phone
METRICS = (
    *PHONE_METRICS, *(metric + SILENCE for metric in PHONE_METRICS), "speaker_share", "used_clusters",
    "cluster_entropy", "mean_run_length",
)  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """Frames counted over a data set.

    joint: by label and phone, int64 [k, phones]. silence: by label, those of aligned utterances without a phone, [k].
    speakers: all frames, by label and speaker, [k, speakers]. runs: stretches of equal labels.
    """

    phones: tuple[str, ...]
    joint: np.ndarray
    silence: np.ndarray
    speakers: np.ndarray
    runs: int

    @property
    def labels(self) -> np.ndarray:
        """All frames by label, [k]."""
        return self.speakers.sum(axis=1)


def count(labels: Labels, data: DataDir, segments: Mapping[str, Sequence[alignment.Segment]]) -> Counts:
    """Count over the utterances of a data set; `segments` are its phones by utterance.

    An utterance that `segments` lacks has no alignment: its frames are neither phones nor silence. Where `segments` is
    empty the set has none, and there are no phones to count.
    """
    phones = tuple(sorted({segment.label for utt in data.utterances for segment in segments.get(utt.id, ())}))
    index = {phone: number for number, phone in enumerate(phones)}
    joint = np.zeros((labels.k, len(phones)), np.int64)
    speaker_index = {speaker: number for number, speaker in enumerate(data.speakers)}
    speakers = np.zeros((labels.k, len(speaker_index)), np.int64)
    silence, runs = np.zeros(labels.k, np.int64), 0
    for utt in data.utterances:
        units = labels[utt.id]
        speakers[:, speaker_index[utt.speaker]] += np.bincount(units, minlength=labels.k)
        runs += count_runs(units)
        if segments.get(utt.id):
            spoken = alignment.frame_labels(segments[utt.id], num_frames(utt.num_samples), index)
            joint += contingency(units, spoken, labels.k, len(phones))
            quiet = units[: len(spoken)][spoken[: len(units)] < 0]
            silence += np.bincount(quiet, minlength=labels.k)
    if segments and not joint.any():
        raise UserError(
            f"{labels.folder}: expected aligned phones for {data.path}, found none for any frame. "
            "Are these the alignments of this data set (stage 3)?"
        )
    return Counts(phones, joint, silence, speakers, runs)


def contingency(first: np.ndarray, second: np.ndarray, num_first: int, num_second: int) -> np.ndarray:
    """Count frames by both labellings, int64 [num_first, num_second]; negative labels and a longer tail are left out.

    Shapes: [T] and [T'], either may be longer.
    """
    size = min(len(first), len(second))
    first, second = first[:size].astype(np.int64), second[:size].astype(np.int64)
    both = (first >= 0) & (second >= 0)
    flat = np.bincount(first[both] * num_second + second[both], minlength=num_first * num_second)
    return flat.reshape(num_first, num_second)


def count_runs(labels: np.ndarray) -> int:
    """Number of stretches of equal labels."""
    return int(np.count_nonzero(np.diff(labels))) + 1 if len(labels) else 0


def entropy(counts: np.ndarray) -> float:
    """Entropy in bits of the distribution that counts are in proportion to."""
    counts = np.asarray(counts, np.float64).ravel()
    shares = counts[counts > 0] / counts.sum()
    return max(0.0, float(-(shares * np.log2(shares)).sum()))  # not -0.0 for a single cluster


def mutual_information(joint: np.ndarray) -> float:
    """Mutual information in bits of the two labellings of a contingency table."""
    return max(0.0, entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1)) - entropy(joint))


def share(joint: np.ndarray) -> float:
    """I(row; column) / H(column): what rows tell of columns; 0 where columns do not differ."""
    uncertainty = entropy(joint.sum(axis=0))
    return mutual_information(joint) / uncertainty if uncertainty > 0 else 0.0


def measure(counts: Counts) -> dict[str, float]:
    """All METRICS: those of phones only where there are any, speaker_share only where there are several speakers.

    phone_purity: accuracy when each cluster is read as its most frequent phone. cluster_purity: accuracy when each
    phone is taken for its most frequent cluster. pnmi: I(phone; label) / H(phone). The same with _sil: silence is a
    phone. Over all frames: speaker_share, I(speaker; label) / H(speaker); cluster_entropy, in bits; mean_run_length, in
    frames of 20 ms.
    """
    found: dict[str, float] = {}
    if counts.phones:
        with_silence = measure_phones(np.column_stack([counts.joint, counts.silence]))
        found = measure_phones(counts.joint) | {metric + SILENCE: value for metric, value in with_silence.items()}
    if np.count_nonzero(counts.speakers.sum(axis=0)) > 1:
        found["speaker_share"] = share(counts.speakers)
    return {
        **found,
        "used_clusters": int(np.count_nonzero(counts.labels)),
        "cluster_entropy": entropy(counts.labels),
        "mean_run_length": float(counts.labels.sum() / counts.runs),
    }


def measure_phones(joint: np.ndarray) -> dict[str, float]:
    """PHONE_METRICS of frames by label (rows) and phone (columns)."""
    total = joint.sum()
    return {
        "cluster_purity": float(joint.max(axis=0).sum() / total),
        "phone_purity": float(joint.max(axis=1).sum() / total),
        "pnmi": share(joint),
    }


def confusion(counts: Counts) -> np.ndarray:
    """Frames of each phone that bear a cluster of each phone, int64 [phones, phones]; a cluster is its majority's.

    A phone with nothing on the diagonal has no cluster of its own: it has merged into others.
    """
    table = np.zeros((len(counts.phones),) * 2, np.int64)
    if not counts.phones:
        return table
    owner = counts.joint.argmax(axis=1)
    np.add.at(table, (slice(None), owner), counts.joint.T)
    return table


def write(folder: Path, name: str, set_name: str, counts: Counts) -> dict[str, float]:
    """Write scores.tsv (COLUMNS) and confusion.tsv (CONFUSION_COLUMNS); `share` is of the phone's frames."""
    scores = measure(counts)
    rows = ((name, set_name, metric, f"{value:.6g}") for metric, value in scores.items())
    tsv.write(Path(folder) / "scores.tsv", COLUMNS, rows)
    table = confusion(counts)
    spoken = table.sum(axis=1)
    rows = (
        (name, set_name, counts.phones[row], counts.phones[column], f"{table[row, column] / spoken[row]:.6g}",
         str(table[row, column]))
        for row, column in zip(*np.nonzero(table), strict=True)
    )  # fmt: skip
    tsv.write(Path(folder) / "confusion.tsv", CONFUSION_COLUMNS, rows)
    return scores
