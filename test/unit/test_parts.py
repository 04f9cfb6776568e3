"""A data set in parts gives what it gives as a whole; many utterances at once what each gives alone."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trainings import MODEL

from hubert_iter import options, parts, provenance
from hubert_iter.bin import fit_kmeans, make_labels, make_mfcc, merge_labels, merge_mfcc, sample_frames
from hubert_iter.errors import UserError
from hubert_iter.feats import batched, mfcc_folders, source
from hubert_iter.feats.layers import LayerModel
from hubert_iter.frames import num_frames
from hubert_iter.models import store
from hubert_iter.models.encoder import Encoder
from hubert_iter.models.pretrainer import build
from hubert_iter.models.settings import EncoderConfig


@dataclass(frozen=True)
class Utterance:
    id: int
    num_samples: int


@given(st.lists(st.integers(1, 10**6), max_size=40), st.integers(1, 9))
def test_parts_are_neighbours_and_together_the_whole(lengths, number):
    utterances = [Utterance(place, length) for place, length in enumerate(lengths)]
    shares = [parts.share(utterances, part, number) for part in range(1, number + 1)]
    assert [each for share in shares for each in share] == utterances
    # No part has more than its share and one utterance.
    most = sum(lengths) / number + max(lengths, default=0)
    assert all(sum(each.num_samples for each in share) <= most for share in shares)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("teacher") / "model"
    folder.mkdir()
    store.write(folder, build(MODEL, None, None, "t"), {"model": MODEL, "objective": None, "classes": None})
    provenance.write(folder, "train", {}, {})
    return folder


@pytest.mark.parametrize("kind", ["none", "speaker"])
def test_labels_are_the_same_bytes_whatever_the_number_of_parts(corpus, teacher, tmp_path, kind):
    features = ["--data", str(corpus.data), "--model", str(teacher), "--tap", "1", "--normalise", kind]
    fit_kmeans.main([*features, "--out", str(tmp_path / "kmeans"), "--k", "5", "--portion", "1.0"])
    made = set()
    for number in (1, 2, 5, 50):
        options = [*features, "--kmeans", str(tmp_path / "kmeans"), "--out", str(tmp_path / f"labels of {number}")]
        options += ["--parts", str(number)]
        for part in range(1, number + 1):
            make_labels.main([*options, "--part", str(part)])
        if number > 1:
            merge_labels.main(options)
            assert not (tmp_path / f"labels of {number}.parts").exists()
        folder = tmp_path / f"labels of {number}"
        made.add(((folder / "labels.ark").read_bytes(), (folder / "utt2num_frames").read_bytes()))
        assert provenance.read(folder)["settings"] == provenance.read(tmp_path / "labels of 1")["settings"]
    assert len(made) == 1


@pytest.mark.parametrize("max_memory_gb", ["1.0", "0.0001"])
def test_k_means_is_the_same_bytes_whatever_the_number_of_parts(corpus, teacher, tmp_path, max_memory_gb):
    features = ["--data", str(corpus.data), "--model", str(teacher), "--tap", "1", "--k", "5", "--portion", "0.8"]
    features += ["--max_memory_gb", max_memory_gb]
    made = set()
    for number in (1, 2, 5, 50):
        folder = tmp_path / f"k-means of {number}"
        options = [*features, "--out", str(folder), "--parts", str(number)]
        if number > 1:
            for part in range(1, number + 1):
                sample_frames.main([*options, "--part", str(part)])
        fit_kmeans.main(options)
        assert not parts.folder(folder).exists()
        made.add(((folder / "kmeans.npz").read_bytes(), (folder / "fit.json").read_bytes()))
        assert provenance.read(folder)["settings"] == provenance.read(tmp_path / "k-means of 1")["settings"]
    assert len(made) == 1


def test_parts_of_another_memory_budget_do_not_fit(corpus, teacher, tmp_path):
    options = ["--data", str(corpus.data), "--model", str(teacher), "--tap", "1", "--k", "5", "--parts", "2"]
    options += ["--out", str(tmp_path / "kmeans"), "--portion", "1.0"]
    sample_frames.main([*options, "--part", "1", "--max_memory_gb", "1.0"])
    sample_frames.main([*options, "--part", "2", "--max_memory_gb", "0.0001"])
    with pytest.raises(UserError, match="2of2: this part is not usable .*max_memory_gb"):
        fit_kmeans.main([*options, "--max_memory_gb", "1.0"])


def test_a_missing_part_is_named(corpus, teacher, tmp_path):
    features = ["--data", str(corpus.data), "--model", str(teacher), "--tap", "1"]
    fit_kmeans.main([*features, "--out", str(tmp_path / "kmeans"), "--k", "5", "--portion", "1.0"])
    options = [*features, "--kmeans", str(tmp_path / "kmeans"), "--out", str(tmp_path / "labels"), "--parts", "2"]
    make_labels.main([*options, "--part", "1"])
    with pytest.raises(UserError, match="2of2: this part is not usable"):
        merge_labels.main(options)
    with pytest.raises(UserError, match="--part: expected 1 to 2"):
        make_labels.main([*options, "--part", "3"])


def test_joining_leaves_parts_alone_that_another_call_is_making(corpus, tmp_path):
    out = tmp_path / "mfcc"
    options = ["--data", str(corpus.data), "--out", str(out)]
    for part in "123":
        make_mfcc.main([*options, "--parts", "3", "--part", part])
    theirs = parts.product(mfcc_folders.merged_product(corpus.data, out), mfcc_folders.PART, 1, 2)
    with theirs.writing() as work:
        merge_mfcc.main([*options, "--parts", "3"])
        assert sorted(path.name for path in parts.folder(out).iterdir()) == ["1of2.lock", "1of2.tmp"]
        (work / "feats.ark").write_bytes(b"")
    merge_mfcc.main([*options, "--parts", "2"])
    assert not parts.folder(out).exists()


@pytest.mark.parametrize("front_end", ["convolutions", "mel"])
def test_many_utterances_at_once_give_what_each_gives_alone(front_end):
    torch.manual_seed(0)
    config = options.read(EncoderConfig, {**MODEL, "front_end": front_end}, "test")
    model = LayerModel(Encoder(config), {}, torch.device("cpu"))
    rng = np.random.default_rng(0)
    waves = [0.1 * rng.standard_normal(16080 + more).astype(np.float32) for more in (0, 7, 319, 100)]
    for name in model.names:
        for one, many in zip((model.tap(wave, name) for wave in waves), model.tap_of_many(waves, name), strict=True):
            np.testing.assert_allclose(many, one, rtol=0, atol=1e-5)


def test_utterances_of_unequal_frames_do_not_go_together():
    encoder = Encoder(options.read(EncoderConfig, MODEL, "test"))
    with pytest.raises(ValueError, match="unequal"):
        batched.frame_features(encoder, [np.zeros(16080, np.float32), np.zeros(16400, np.float32)], torch.device("cpu"))


@given(st.lists(st.integers(1, 40000), max_size=50))
def test_batches_have_equally_many_frames_and_fit(lengths):
    frames = {str(number): num_frames(400 + length) for number, length in enumerate(lengths)}
    batches = list(source.batches_by_length(frames, frames.__getitem__))
    assert sorted(utt for batch in batches for utt in batch) == sorted(frames)
    for batch in batches:
        assert len({frames[utt] for utt in batch}) == 1
        assert len(batch) == 1 or sum(frames[utt] for utt in batch) <= source.BATCH_FRAMES


def test_by_length_the_features_are_the_same(corpus, teacher):
    from hubert_iter.data import datadir

    utts = [utterance.id for utterance in datadir.read(corpus.data).utterances]
    plain = source.LayerSource(teacher, "1", corpus.data)
    expected = dict(plain.stream(utts))
    found = dict(plain._by_length(utts))
    assert found.keys() == expected.keys()
    for utt in utts:
        np.testing.assert_allclose(found[utt], expected[utt], rtol=1e-5, atol=2e-5)
