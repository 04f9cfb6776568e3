"""Every reader of files, given files in which something is not as it was written: a message, never a traceback.

Each file is damaged as a whole, and word by word: a word, or a value of a JSON file, becomes another one.
"""

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from damaged import damages

from hubert_iter import config, lock, provenance
from hubert_iter.analysis import frame_sample, pool, sample
from hubert_iter.analysis.sample import Span
from hubert_iter.corpora import librispeech
from hubert_iter.data import datadir, validate
from hubert_iter.data.alignment import frame_labels, read_ctm, read_textgrid
from hubert_iter.data.audio import load, read_audio
from hubert_iter.errors import UserError
from hubert_iter.feats import archive
from hubert_iter.models import store
from hubert_iter.models.pretrainer import build
from hubert_iter.provenance import Product
from hubert_iter.report import read as report
from hubert_iter.train import checkpoint
from hubert_iter.train.metrics import Metrics
from hubert_iter.train.run import _difference, _read_origin
from hubert_iter.units import foreign_kmeans, labels, sampling

WORDS = (
    "", "-1", "-0.5", "0", "1e999", "-1e999", "1e308", "nan", "1" + "0" * 30, "9" * 5000, "x", "a b", "../..", "\u0661",
    "²", "<", '"', "'", ":", "|", "x:1" + "0" * 30, "\t", "\n", "\0", "\ud7ff", "_",
)  # fmt: skip
VALUES = (None, True, -1, 0.5, 1e308, float("nan"), float("inf"), 10**30, 10**400, "", "x", "1", [], [1], {}, {"a": 1})
MOST = 20
"""Words of a file that are changed, evenly taken."""


def changed_text(content: bytes) -> Iterator[bytes]:
    """Files that differ in one word, or lack a line, or have one twice."""
    text = content.decode()
    places = [(match.start(), match.end()) for match in re.finditer(r"[^\s:|,=\[\]{}\"]+", text)]
    for start, end in places[:: max(1, len(places) // MOST)]:
        for word in WORDS:
            yield (text[:start] + word + text[end:]).encode()
    lines = text.splitlines(keepends=True)
    for number in range(0, len(lines), max(1, len(lines) // MOST)):
        yield "".join(lines[:number] + lines[number + 1 :]).encode()
        yield "".join(lines[:number] + [lines[number]] * 2 + lines[number + 1 :]).encode()
        yield "".join(lines[:number] + ["\n"] + lines[number:]).encode()


def changed_json(content: bytes) -> Iterator[bytes]:
    """Files that differ in one value, or lack one."""

    def variants(value):
        yield from VALUES
        if isinstance(value, dict):
            for key in list(value)[:MOST]:
                yield {name: each for name, each in value.items() if name != key}
                for other in variants(value[key]):
                    yield {**value, key: other}
        elif isinstance(value, list):
            for number in range(min(len(value), 3)):
                for other in variants(value[number]):
                    yield [*value[:number], other, *value[number + 1 :]]

    for value in variants(json.loads(content)):
        yield json.dumps(value).encode()


def changed(path: Path) -> Iterator[bytes]:
    """What may become of a file."""
    content = path.read_bytes()
    yield from damages(content).values()
    if path.suffix == ".json" or path.suffix == ".lock":
        yield from changed_json(content)
    elif path.suffix not in (".ark", ".npy", ".npz", ".safetensors", ".pt", ".flac", ".wav", ".joblib"):
        yield from changed_text(content)
    else:
        for place in range(0, len(content), max(1, len(content) // 80)):
            for byte in (0, 1, 127, 255):
                yield content[:place] + bytes([byte]) + content[place + 1 :]


@dataclass(frozen=True)
class Reader:
    """Files that are written, and what reads them."""

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    files: tuple[str, ...]


def textgrid(folder: Path) -> None:
    tiers = [
        f'"IntervalTier"\n"{tier}"\n0\n1.5\n2\n0\n0.5\n"A"\n0.5\n1.5\n"B1"\n' for tier in ("phones", "words")
    ]  # fmt: skip
    short = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1.5\n<exists>\n2\n' + "".join(tiers)
    (folder / "short.TextGrid").write_text(short)
    (folder / "long.TextGrid").write_text(short.replace("\n2\n", "\nsize = 2\n").replace("\n0\n", "\nxmin = 0\n"))


def read_grids(folder: Path) -> None:
    for name in ("short", "long"):
        for segments in read_textgrid(folder / f"{name}.TextGrid").values():
            frame_labels(segments, 75, {segment.label: 0 for segment in segments})


def ctm(folder: Path) -> None:
    (folder / "phones.ctm").write_text("u1 1 0.00 0.50 aa\nu1 1 0.50 0.25 b\nu2 1 0.1 1.00 aa 0.9\n")


def read_phones(folder: Path) -> None:
    for segments in read_ctm(folder / "phones.ctm").values():
        try:
            frame_labels(segments, 75, {segment.label: 0 for segment in segments})
        except ValueError as error:  # those that overlap are found by their check
            raise AssertionError(segments) from error


def data(folder: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 1600).astype(np.float32)
    soundfile.write(folder / "a.flac", samples, 16000)
    wave = io.BytesIO()
    soundfile.write(wave, samples, 16000, format="WAV")
    (folder / "b.ark").write_bytes(b"rec " + wave.getvalue())
    (folder / "wav.scp").write_text(f"rec1 {folder}/a.flac\nrec2 {folder}/b.ark:4\n")
    (folder / "segments").write_text("s1-u1 rec1 0.0 0.05\ns1-u2 rec1 0.05 0.1\ns2-u3 rec2 0.0 0.1\n")
    (folder / "utt2spk").write_text("s1-u1 s1\ns1-u2 s1\ns2-u3 s2\n")
    (folder / "spk2utt").write_text("s1 s1-u1 s1-u2\ns2 s2-u3\n")
    (folder / "text").write_text("s1-u1 A B\ns1-u2 C\ns2-u3 D\n")
    (folder / "utt2num_samples").write_text("s1-u1 800\ns1-u2 800\ns2-u3 1600\n")
    (folder / "spk2gender").write_text("s1 m\ns2 f\n")


def read_data(folder: Path) -> None:
    validate.examine(folder, validate.Limits(0.01, 30.0))
    for utterance in datadir.read(folder).utterances:
        load(utterance)
        read_audio(utterance)


def segments(folder: Path) -> None:
    spans = {("phone", 0): [Span("u", n, n + 1, "ab"[n % 2]) for n in range(6)], ("speaker", 0): [Span("u", 0, 9, "s")]}
    sample.write(folder, spans)
    sample.write_speakers(folder, [datadir.Utterance("u", "s", 9, "x")])
    facts = {prop: dict.fromkeys(sample.FACTS, 3) for prop in sample.PROPERTIES}
    (folder / sample.FACTS_NAME).write_text(json.dumps(facts))
    columns = {prop: np.array(["a", "b"]) for prop in sample.PROPERTIES}
    frame_sample.write(folder, frame_sample.FrameSample(np.array(["u", "u"]), np.array([0, 1]), columns))


def read_segments(folder: Path) -> None:
    pool.read_spans(folder)
    sample.read_speakers(folder)
    sample.read_facts(folder)


def layers(folder: Path) -> None:
    np.save(folder / "phone.0.npy", np.zeros((2, 6, 3), np.float32))
    (folder / pool.FILE_NAME).write_text(json.dumps({"name": "r", "taps": ["0", "1"], "updates": 9, "model": {}}))


def read_layers(folder: Path) -> None:
    found = pool.read(folder)
    assert isinstance(found.name, str) and isinstance(found.updates, int | str)
    for tap in found.taps:
        found.instances("phone", 0, tap, 6).sum()


def features(folder: Path) -> None:
    rng = np.random.default_rng(0)
    archive.write_matrices(folder, "feats", [(f"u{n}", rng.normal(size=(7, 3)).astype(np.float32)) for n in range(3)])


def read_features(folder: Path) -> None:
    archive.read_lengths(folder / "utt2num_frames")
    for array in archive.read_scp(folder / "feats.scp").values():
        assert array.ndim <= 2


def unit_labels(folder: Path) -> None:
    archive.write_vectors(folder, "labels", [(f"u{n}", np.arange(9)) for n in range(3)])
    settings = {"k": 9, "rate": 50, "features": {"kind": "mfcc"}}
    provenance.write(folder, "make_labels", settings, {"kmeans": folder / "labels.scp"})


def read_labels(folder: Path) -> None:
    found = labels.read_labels(folder)
    found.histogram()
    labels.verify_same_units(found, found)
    labels.verify_targets(found, {"targets": "mfcc", "name": "r", "replicate": 1}, None)
    provenance.identity(folder)
    Product(folder, "make_labels", {}, {}).why()


MODEL = {
    "conv_channels": 4, "width": 8, "layers": 1, "heads": 2, "feedforward": 8, "position_kernel": 4,
    "position_groups": 2,
}  # fmt: skip


def model(folder: Path) -> None:
    made = {"model": MODEL, "objective": {"name": "hubert", "embedding": 4}, "classes": 5}
    store.write(folder, build(made["model"], made["objective"], made["classes"], "test"), {**made, "updates": 3})


def saved(folder: Path) -> None:
    model(folder)
    parameters = [torch.nn.Parameter(torch.zeros(3))]
    torch.save(torch.optim.AdamW(parameters).state_dict(), folder / checkpoint.OPTIMISER)
    (folder / checkpoint.STATE).write_text(json.dumps({"update": 3, "audio_seconds": 1.0, "train_seconds": 1.0}))
    manifest = {"settings": "x", "files": provenance.record_files(folder)}
    (folder / checkpoint.MANIFEST).write_text(json.dumps(manifest))


def origin(folder: Path) -> None:
    made = {"settings": {"run": {"seed": 0}, "classes": 5}, "inputs": {"data": "abc"}}
    (folder / "origin.json").write_text(json.dumps(made))


def read_origin(folder: Path) -> None:
    before = _read_origin(folder / "origin.json")
    if before is not None:
        _difference(before, {"settings": {"run": {"seed": 1}, "classes": 6}, "inputs": {"data": "abd"}})


def metrics(folder: Path) -> None:
    rows = [{"update": n, "split": split, "loss": 1.5, "accuracy": 0.1} for n in (1, 2) for split in ("train", "valid")]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_metrics(folder: Path) -> None:
    content = (folder / "metrics.jsonl").read_bytes()
    report.read_metrics(folder / "metrics.jsonl")
    Metrics(folder, 2, 9).close()
    (folder / "metrics.jsonl").write_bytes(content)


def held(folder: Path) -> None:
    (folder / "x.lock").write_text(
        json.dumps({"pid": 1, "host": "h", "job": "", "started": "5", "since": "", "token": "t"})
    )


def centroids(folder: Path) -> None:
    np.save(folder / "c.npy", np.ones((3, 2), np.float32))
    np.savez(folder / "c.npz", centroids=np.ones((3, 2), np.float32))
    np.save(folder / sampling.FILE_NAME, np.ones((3, 2), np.float32))


def read_centroids(folder: Path) -> None:
    for name in ("c.npy", "c.npz"):
        foreign_kmeans.read(folder / name)
    sampling.join([folder])


def corpus(folder: Path) -> None:
    chapter = folder / "LibriSpeech/part/1/2"
    chapter.mkdir(parents=True)
    (chapter / "1-2.trans.txt").write_text("1-2-0000 A B\n1-2-0001 C\n")
    for number in range(2):
        (chapter / f"1-2-000{number}.flac").touch()
    (folder / "LibriSpeech/SPEAKERS.TXT").write_text(";x\n1 | M | part | 1.5 | Somebody\n")


def settings(folder: Path) -> None:
    (folder / "x.yaml").write_text(yaml.safe_dump({"a": {"b": [1, 0.5, "c"]}, "d": True, "e": "2020-01-01", "f": None}))


READERS = {
    "TextGrid": Reader(textgrid, read_grids, ("short.TextGrid", "long.TextGrid")),
    "CTM": Reader(ctm, read_phones, ("phones.ctm",)),
    "data": Reader(
        data, read_data,
        ("wav.scp", "segments", "utt2spk", "spk2utt", "text", "utt2num_samples", "spk2gender", "a.flac", "b.ark"),
    ),
    "samples": Reader(
        segments, read_segments,
        (sample.FILE_NAME, sample.SPEAKERS_FILE, sample.FACTS_NAME, frame_sample.FILE_NAME),
    ),
    "layers": Reader(layers, read_layers, (pool.FILE_NAME, "phone.0.npy")),
    "features": Reader(features, read_features, ("feats.ark", "feats.scp", "utt2num_frames")),
    "labels": Reader(unit_labels, read_labels, ("labels.ark", "labels.scp", "utt2num_frames", provenance.FILE_NAME)),
    "model": Reader(model, store.read, (store.WEIGHTS, store.DESCRIPTION)),
    "checkpoint": Reader(saved, checkpoint.damage, (checkpoint.MANIFEST, checkpoint.STATE, checkpoint.OPTIMISER)),
    "origin": Reader(origin, read_origin, ("origin.json",)),
    "metrics": Reader(metrics, read_metrics, ("metrics.jsonl",)),
    "lock": Reader(held, lambda folder: lock._read(folder / "x.lock"), ("x.lock",)),
    "centroids": Reader(centroids, read_centroids, ("c.npy", "c.npz", sampling.FILE_NAME)),
    "LibriSpeech": Reader(
        corpus, lambda folder: librispeech.read(folder, ["part"]),
        ("LibriSpeech/part/1/2/1-2.trans.txt", "LibriSpeech/SPEAKERS.TXT"),
    ),
    "settings": Reader(settings, lambda folder: config.read_yaml(folder / "x.yaml"), ("x.yaml",)),
}  # fmt: skip


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, reader in READERS.items() for file in reader.files])
def test_a_file_that_is_not_as_it_was_written(tmp_path, name, file):
    reader = READERS[name]
    reader.write(tmp_path)
    reader.read(tmp_path)
    path = tmp_path / file
    sound, found = path.read_bytes(), {}
    for content in changed(path):
        path.write_bytes(content)
        try:
            reader.read(tmp_path)
        except UserError as error:
            assert str(error)
        except Exception as error:
            place = error.__traceback__
            while place.tb_next:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
            found.setdefault((type(error).__name__, where), (str(error)[:80], difference(sound, content)))
    assert not found, "\n".join(f"{kind} {where}: {what}" for (kind, where), what in found.items())


def difference(sound: bytes, content: bytes) -> str:
    """Where two files begin to differ."""
    place = next((n for n, (a, b) in enumerate(zip(sound, content, strict=False)) if a != b), len(sound))
    return f"{sound[max(place - 20, 0) : place + 20]!r} became {content[max(place - 20, 0) : place + 20]!r}"
