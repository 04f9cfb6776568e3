"""One pass of a model over the evaluation set: the mean of each sampled segment at each layer.

Every segment of every property is pooled while its utterance is at hand, straight into memory-mapped files, so neither
frames nor a corpus is ever held. docs/protocol.md section 4, points 2 and 3. No masking, no dropout: `open_model` sees
to it.
"""

import json
import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from hubert_iter.analysis import frame_sample, sample
from hubert_iter.analysis.frame_sample import KEY
from hubert_iter.analysis.sample import Samples
from hubert_iter.array_files import DAMAGE
from hubert_iter.data.audio import read_audio
from hubert_iter.data.datadir import DataDir, Utterance
from hubert_iter.errors import UserError
from hubert_iter.frames import SAMPLE_RATE
from hubert_iter.progress import Progress

FILE_NAME = "layers.json"
log = logging.getLogger(__name__)


class Model(Protocol):
    """What is needed of a model: its layers' outputs for one utterance."""

    def taps(self, samples: np.ndarray) -> Mapping[str, np.ndarray]:
        """Tap name ("conv", "0", "1", ...) -> float array [frames, width], for audio in +-1 at 16 kHz."""
        ...


@dataclass(frozen=True)
class Layers:
    """A folder of pooled segments."""

    folder: Path
    taps: tuple[str, ...]
    updates: int
    name: str

    def load(self, prop: str, sample_set: int, tap: str) -> np.ndarray:
        """float32 [instances, width], read from the disk for this tap alone."""
        path, index = self._place(prop, sample_set, tap)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)[index]
        except DAMAGE as error:
            raise UserError(f"{path}: cannot be read ({error}). Run pool_layers (stage 8) again") from None

    def instances(self, prop: str, sample_set: int, tap: str, count: int) -> np.ndarray:
        """What `load` gives; UserError unless it has a row for each of the `count` segments sampled."""
        features = self.load(prop, sample_set, tap)
        if len(features) != count:
            raise UserError(
                f"{self.folder}: {prop}, sample set {sample_set}: expected {count} instances, found {len(features)}. "
                "They were pooled for other samples: run pool_layers again"
            )
        return features

    def frames(self, tap: str) -> np.ndarray:
        """float32 [frames, width]: the single frames that were drawn."""
        return self.load(*KEY, tap)

    def _place(self, prop: str, sample_set: int, tap: str) -> tuple[Path, int]:
        alone = self.folder / f"{prop}.{sample_set}.{tap}.npy"
        if alone.is_file():
            return alone, 0
        together = [name for name in self.taps if not (self.folder / f"{prop}.{sample_set}.{name}.npy").is_file()]
        return self.folder / f"{prop}.{sample_set}.npy", together.index(tap)


def read(folder: str | Path) -> Layers:
    """Open a folder made by pool_layers."""
    path = Path(folder) / FILE_NAME
    try:
        record = json.loads(path.read_text())
        taps, updates, name = record["taps"], record["updates"], record["name"]
        sound = isinstance(taps, list) and all(isinstance(each, str) for each in (*taps, name))
        if not sound or not isinstance(updates, int | str):
            raise ValueError("other kinds of values")
        return Layers(Path(folder), tuple(taps), updates, name)
    except FileNotFoundError:
        raise UserError(f"{path}: missing. Run pool_layers (stage 8)") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: expected taps, updates and name ({error!r}). Run pool_layers again") from None


def read_spans(folder: str | Path) -> Samples:
    """All segments and single frames that sample_segments drew."""
    return sample.read(folder) | {KEY: frame_sample.read(folder).spans}


def pool(
    model: Model,
    data: DataDir,
    samples: Samples,
    folder: Path,
    name: str,
    facts: Mapping | None = None,
    read_samples: Callable[[Utterance], np.ndarray] = read_audio,
    part: Sequence[Utterance] | None = None,
) -> None:
    """Write <property>.<sample set>.npy, float32 [taps, instances, width], and layers.json into `folder`.

    A tap whose width differs from the last one's goes into <property>.<sample set>.<tap>.npy, [1, instances, width].
    With `part` only the instances in these utterances are filled, and nothing is written where there are none.
    """
    wanted = _by_utterance(samples)
    known = {utterance.id: utterance for utterance in data.utterances}
    missing = sorted(set(wanted) - set(known))
    if missing:
        raise UserError(
            f"utterance {missing[0]}: sampled but not in {data.path}. Sample from the same data set (--data of stage 8)"
        )
    if part is not None:
        wanted = {utterance.id: wanted[utterance.id] for utterance in part if utterance.id in wanted}
        if not wanted:
            return
    writers: dict[tuple, np.ndarray] = {}
    groups: list[list[str]] = []
    seconds = {utterance_id: known[utterance_id].num_samples / SAMPLE_RATE for utterance_id in wanted}
    progress = Progress(f"{name}: layers", len(wanted), sum(seconds.values()))
    for utterance_id in sorted(wanted):
        outputs = model.taps(read_samples(known[utterance_id]))
        if not groups:
            groups = _groups(outputs)
            writers = _open(folder, groups, outputs, samples)
        for group_index, group in enumerate(groups):
            stacked = _stack(outputs, group, utterance_id)
            for key, index, start, end in wanted[utterance_id]:
                check_length(f"utterance {utterance_id}", stacked.shape[1], end)
                writers[*key, group_index][:, index] = stacked[:, start:end].mean(axis=1, dtype=np.float64)
        progress.step(seconds[utterance_id])
    log.info("%s: %d utterances pooled", name, len(wanted))
    for array in writers.values():
        array.flush()
    facts = dict(facts or {})
    record = {"name": name, "taps": list(outputs), "updates": facts.pop("updates", 0), "model": facts}
    (folder / FILE_NAME).write_text(json.dumps(record, indent=1) + "\n")


def join(folders: Sequence[Path], shares: Sequence[Collection[Utterance]], samples: Samples, folder: Path) -> None:
    """Write into `folder` what `pool` writes, from what it made of each share of the utterances."""
    made = [(part, {each.id for each in share}) for part, share in zip(folders, shares, strict=True)]
    made = [(part, share) for part, share in made if (part / FILE_NAME).is_file()]
    if not made:
        raise UserError(f"{folders[0].parent}: no part has a sampled segment. Draw the samples again (stage 8)")
    for path in sorted(made[0][0].glob("*.npy")):
        prop, sample_set = path.name.split(".")[:2]
        spans = samples[prop, int(sample_set)]
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
        joined = np.lib.format.open_memmap(folder / path.name, mode="w+", dtype=np.float32, shape=shape)
        for part, share in made:
            rows = [row for row, span in enumerate(spans) if span.utterance in share]
            joined[:, rows] = np.load(part / path.name, mmap_mode="r", allow_pickle=False)[:, rows]
        joined.flush()
    shutil.copyfile(made[0][0] / FILE_NAME, folder / FILE_NAME)


def _by_utterance(samples: Samples) -> dict[str, list[tuple]]:
    """Utterance -> its ((property, sample set), instance, start, end)."""
    wanted = defaultdict(list)
    for key, spans in samples.items():
        for index, span in enumerate(spans):
            wanted[span.utterance].append((key, index, span.start, span.end))
    return wanted


def _groups(outputs: Mapping[str, np.ndarray]) -> list[list[str]]:
    """The taps as wide as the last one together, every other alone."""
    taps = list(outputs)
    width = outputs[taps[-1]].shape[1]
    together = [tap for tap in taps if outputs[tap].shape[1] == width]
    return [together, *([tap] for tap in taps if tap not in together)]


def _open(folder: Path, groups: list[list[str]], outputs: Mapping, samples: Samples) -> dict[tuple, np.ndarray]:
    writers = {}
    for (prop, sample_set), spans in samples.items():
        for index, group in enumerate(groups):
            name = f"{prop}.{sample_set}.npy" if index == 0 else f"{prop}.{sample_set}.{group[0]}.npy"
            shape = (len(group), len(spans), outputs[group[0]].shape[1])
            writers[prop, sample_set, index] = np.lib.format.open_memmap(
                folder / name, mode="w+", dtype=np.float32, shape=shape
            )
    return writers


def _stack(outputs: Mapping[str, np.ndarray], group: list[str], utterance_id: str) -> np.ndarray:
    """float [taps, frames, width], checked: as long as each other, finite."""
    lengths = {tap: outputs[tap].shape[0] for tap in group}
    if len(set(lengths.values())) != 1:
        raise UserError(f"utterance {utterance_id}: the taps differ in frames: {lengths}. This is a fault of the model")
    stacked = np.stack([outputs[tap] for tap in group])
    for tap, x in zip(group, stacked, strict=True):
        check_finite(utterance_id, tap, x)
    return stacked


def check_length(what: str, frames: int, end: int) -> None:
    """Refuse an output of a model with fewer frames than segments need."""
    if frames < end:
        raise UserError(
            f"{what}: expected at least {end} frames, the model gave {frames}. "
            "The audio is shorter than utt2num_samples says: run validate_data"
        )


def check_finite(utterance_id: str, tap: str, x: np.ndarray) -> None:
    """Refuse a tap that holds something else than numbers."""
    if not np.isfinite(x).all():
        raise UserError(
            f"utterance {utterance_id}: tap {tap}: expected numbers, found infinity or nan. "
            "The training diverged: look at the run's metrics.jsonl"
        )
