"""Damaged files of every kind end in a message that names the file, never in a traceback."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from damaged import damages
from trainings import MODEL

from hubert_iter import provenance, tsv
from hubert_iter.analysis import pool
from hubert_iter.config import read_yaml
from hubert_iter.errors import UserError
from hubert_iter.feats import archive, layers
from hubert_iter.models import store
from hubert_iter.models.pretrainer import build
from hubert_iter.provenance import Product
from hubert_iter.report import read as report
from hubert_iter.train.metrics import Metrics
from hubert_iter.units import kmeans, labels

KINDS = list(damages(b"123"))


def rot(path: Path) -> None:
    """Flip a bit in the middle, as a disk may: size and time stay."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["feats.ark", "feats.scp", "utt2num_frames"])
def test_feature_archives(tmp_path, kind, file):
    rng = np.random.default_rng(0)
    items = [(f"utt{number}", rng.standard_normal((7, 3)).astype(np.float32)) for number in range(3)]
    archive.write_matrices(tmp_path, "feats", items)
    path = tmp_path / file
    path.write_bytes(damages(path.read_bytes())[kind])
    read_all(tmp_path, "feats")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["labels.ark", "labels.scp"])
def test_label_archives(tmp_path, kind, file):
    archive.write_vectors(tmp_path, "labels", [(f"utt{number}", np.arange(9)) for number in range(3)])
    path = tmp_path / file
    path.write_bytes(damages(path.read_bytes())[kind])
    read_all(tmp_path, "labels")


def read_all(folder: Path, name: str) -> None:
    """Values may differ, which provenance notices; the reader itself gives arrays or a message."""
    try:
        archive.read_lengths(folder / "utt2num_frames")
        for array in archive.read_scp(folder / f"{name}.scp").values():
            assert isinstance(array, np.ndarray)
    except UserError as error:
        assert str(folder) in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_centroids(tmp_path, kind):
    kmeans.write(tmp_path, np.zeros((5, 3), np.float32))
    path = tmp_path / "kmeans.npz"
    path.write_bytes(damages(path.read_bytes())[kind])
    with pytest.raises(UserError, match=r"kmeans\.npz"):
        kmeans.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"\xff\xfe", b'{"command": 5}', b"[" * 100000]
    + [json.dumps({"command": "make", "settings": {}, "inputs": {}, "outputs": {"a": 1}, "id": ""}).encode()]
    + [json.dumps({"command": "make", "settings": [], "inputs": {}, "outputs": {}, "id": ""}).encode()],
)
def test_provenance(tmp_path, content):
    (tmp_path / provenance.FILE_NAME).write_bytes(content)
    for ask in (lambda: provenance.identity(tmp_path), Product(tmp_path, "make", {}, {}).done):
        with pytest.raises(UserError, match=r"provenance\.json"):
            ask()


@pytest.mark.parametrize(
    "content", [b"\xff\xfe: 1", b"- a", b"a: [", b"[" * 5000, b"a: 1\na: 2\n", b"{a: {b: 1, b: 2}}"]
)
def test_configurations(tmp_path, content):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.yaml"):
        read_yaml(path)


def test_a_key_given_twice_is_named_with_its_line(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("one: 1\ntwo: 2\none: 3\n")
    with pytest.raises(UserError, match=r"x\.yaml:3: .*'one' is given twice"):
        read_yaml(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"5\n", b"[]\n", b'{"update": "x"}\n', b"{\n", b"[" * 100000])
def test_a_training_goes_on_beside_damaged_metrics(tmp_path, content):
    rows = b"".join(json.dumps({"update": number, "split": "train"}).encode() + b"\n" for number in (1, 2))
    (tmp_path / "metrics.jsonl").write_bytes(rows + content)
    Metrics(tmp_path, 2, 9).close()
    assert (tmp_path / "metrics.jsonl").read_bytes() == rows


def test_tables(tmp_path):
    path = tmp_path / "scores.tsv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"scores\.tsv"):
        tsv.read(path, ("a", "b"))
    with pytest.raises(UserError, match=r"scores\.tsv"):
        report._lines(path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}"])
def test_layers(tmp_path, content):
    (tmp_path / "layers.json").write_bytes(content)
    with pytest.raises(UserError, match=r"layers\.json"):
        pool.read(tmp_path)


@pytest.mark.parametrize("how", ["flip", "remove"])
def test_a_stage_refuses_an_input_that_is_not_what_was_written(tmp_path, how):
    made = Product(tmp_path / "feats", "make_mfcc", {}, {})
    with made.writing() as work:
        (work / "feats.ark").write_bytes(bytes(100))
        (work / "note.txt").write_text("by hand")
    after = Product(tmp_path / "kmeans", "fit_kmeans", {}, {"features": made.folder})
    with after.writing():
        pass
    (made.folder / "note.txt").write_text("tables may be edited")
    assert "input features changed" in after.why()
    path = made.folder / "feats.ark"
    path.write_bytes(b"\1" + bytes(99)) if how == "flip" else path.unlink()
    with pytest.raises(UserError, match=r"feats\.ark: expected the file that make_mfcc wrote, found"):
        after.why()
    assert made.why(), "its own stage makes it again"


def test_a_flipped_bit_is_noticed_by_who_reads_labels(corpus, tmp_path):
    shutil.copytree(corpus.labels, tmp_path / "labels")
    assert labels.read_labels(tmp_path / "labels")
    shutil.copytree(corpus.labels, tmp_path / "rotten")
    rot(tmp_path / "rotten/labels.ark")
    provenance.identity(tmp_path / "rotten")  # reads none of it
    with pytest.raises(
        UserError, match=r"rotten/labels\.ark: expected the file .* found another content.*Delete .*rotten "
    ):
        labels.read_labels(tmp_path / "rotten")


@pytest.mark.parametrize("kind", ["model", "checkpoint"])
def test_a_flipped_bit_is_noticed_by_who_opens_a_network(tmp_path, kind):
    folder = tmp_path / "update_1"
    folder.mkdir()
    description = {"model": MODEL, "objective": None, "classes": None}
    store.write(folder, build(MODEL, None, None, "test"), description)
    if kind == "model":
        provenance.write(folder, "train", {}, {})
    else:
        manifest = {"settings": "", "files": provenance.record_files(folder)}
        (folder / store.MANIFEST).write_text(json.dumps(manifest))
    rotten = tmp_path / "rotten"
    shutil.copytree(folder, rotten)
    rot(rotten / store.WEIGHTS)
    assert layers.open_model(folder)
    with pytest.raises(UserError, match=r"rotten.*model\.safetensors.* content"):
        layers.open_model(rotten)
