"""Units and layers of any audio: those of the stages, by a run's model and by what is exported of it."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from tiny import Corpus
from trained_models import write_model

from hubert_iter import provenance
from hubert_iter.bin import export, fit_kmeans, label, layers, make_labels
from hubert_iter.data import any_audio
from hubert_iter.errors import UserError
from hubert_iter.feats import archive
from hubert_iter.feats.any_source import AnySource
from hubert_iter.feats.layers import open_model


@pytest.fixture(scope="module")
def shared(corpus: Corpus, tmp_path_factory):
    """A model, k-means of its layer 2 and 1, its labels of the held-out set, and its export."""
    pytest.importorskip("transformers")
    root = tmp_path_factory.mktemp("shared")
    model = write_model(root / "exp/it1/model")
    for name, more in {"it1@2_k5": [], "it1@1_k5_speaker": ["--normalise", "speaker"]}.items():
        fit_kmeans.main([
            "--data", str(corpus.data), "--model", str(model), "--tap", name[4], "--k", "5", "--portion", "1.0",
            "--out", str(root / "units" / name / "kmeans"), *more,
        ])  # fmt: skip
        make_labels.main([
            "--data", str(corpus.valid_data), "--model", str(model), "--tap", name[4], "--kmeans",
            str(root / "units" / name / "kmeans"), "--out", str(root / "units" / name / "valid"), *more,
        ])  # fmt: skip
    export.main([
        "--model", str(model), "--formats", "huggingface", "--out", str(root / "export"), "--units", str(root / "units")
    ])  # fmt: skip
    return root


@pytest.fixture
def exported(shared, tmp_path):
    """As somebody else gets it: the folder alone, without provenance, with one k-means of its own layers."""
    folder = shutil.copytree(shared / "export/huggingface", tmp_path / "theirs")
    (folder / provenance.FILE_NAME).unlink()
    listed = json.loads((folder / "kmeans.json").read_text())["kmeans"]
    kept = [entry for entry in listed if entry["file"] == "kmeans_layer2_k5.npz"]
    (folder / "kmeans.json").write_text(json.dumps({"kmeans": kept}))
    return folder


def units_of(folder) -> dict[str, list[int]]:
    lines = (folder / "units.txt").read_text().splitlines()
    return {line.split()[0]: [int(word) for word in line.split()[1:]] for line in lines}


def run(**options) -> None:
    words = [word for name, value in options.items() for word in (f"--{name}", *str(value).split("|")) if word]
    (layers if "taps" in options else label).main(words)


def audio_of(corpus: Corpus):
    return corpus.valid_data.parent / "valid_audio"


def test_a_folder_of_audio_gets_the_stages_labels_from_the_exported_folder_alone(shared, exported, corpus, tmp_path):
    run(model=exported, audio=audio_of(corpus), out=tmp_path / "units")
    expected = archive.read_scp(shared / "units/it1@2_k5/valid/labels.scp")
    found = units_of(tmp_path / "units")
    assert list(found) == list(expected)
    for name in expected:
        # The library's last digits are not ours: a frame between two centroids may fall to the other.
        assert np.mean(np.array(found[name]) != expected[name]) < 0.01


@pytest.mark.parametrize("name", ["it1@2_k5", "it1@1_k5_speaker"])
def test_a_run_s_model_with_a_k_means_gives_the_stages_labels(shared, corpus, tmp_path, name):
    given = {"model": shared / "exp/it1/model", "kmeans": shared / "units" / name / "kmeans"}
    run(**given, audio=corpus.valid_data, out=tmp_path / "ark", format="ark")
    expected = archive.read_scp(shared / "units" / name / "valid/labels.scp")
    found = archive.read_scp(tmp_path / "ark/labels.scp")
    assert list(found) == list(expected)
    assert all(np.array_equal(found[utt], expected[utt]) for utt in expected)


def test_by_the_k_means_that_it_was_trained_on_of_mfcc(shared, corpus, tmp_path):
    kmeans = corpus.data.parent / "kmeans"
    run(model=shared / "exp/it1/model", kmeans=kmeans, audio=audio_of(corpus), out=tmp_path / "units")
    expected = archive.read_scp(corpus.valid_labels / "labels.scp")
    assert units_of(tmp_path / "units") == {utt: expected[utt].tolist() for utt in expected}


def test_runs_of_equal_units_are_written_once_with_their_lengths(shared, corpus, tmp_path):
    given = {"model": shared / "exp/it1/model", "kmeans": shared / "units/it1@2_k5/kmeans", "audio": audio_of(corpus)}
    run(**given, out=tmp_path / "all")
    run(**given, out=tmp_path / "once", dedup="true")
    run(**given, out=tmp_path / "ark", dedup="true", format="ark")
    whole, once = units_of(tmp_path / "all"), units_of(tmp_path / "once")
    lengths = dict(line.split(maxsplit=1) for line in (tmp_path / "once/durations.txt").read_text().splitlines())
    arks = [archive.read_scp(tmp_path / f"ark/{name}.scp") for name in ("labels", "durations")]
    for utt, units in whole.items():
        assert all(first != second for first, second in zip(once[utt], once[utt][1:], strict=False))
        durations = [int(word) for word in lengths[utt].split()]
        assert np.repeat(once[utt], durations).tolist() == units
        assert [ark[utt].tolist() for ark in arks] == [once[utt], durations]


def test_the_ways_of_a_gpu_give_the_same(shared, corpus):
    data, _ = any_audio.measure(any_audio.find(audio_of(corpus)), False)
    source = AnySource(shared / "exp/it1/model", "2", data)
    names = [utterance.id for utterance in data.utterances]
    alone = dict(source.stream(names))
    together = dict(source._by_length(names))
    assert together.keys() == alone.keys()
    source._device = "cuda"  # the model stays where it is
    one_by_one = dict(source.several(["conv", "2"]))
    for name in names:
        np.testing.assert_allclose(together[name], alone[name], atol=1e-4)
        np.testing.assert_allclose(one_by_one[name]["2"], alone[name], atol=1e-4)


def test_what_is_done_is_skipped_until_the_audio_changes(shared, corpus, tmp_path, caplog):
    caplog.set_level("INFO")
    audio = shutil.copytree(audio_of(corpus), tmp_path / "audio")
    given = {"model": shared / "exp/it1/model", "kmeans": shared / "units/it1@2_k5/kmeans", "audio": audio}
    for _ in range(2):
        run(**given, out=tmp_path / "units")
        run(model="mfcc", audio=audio, out=tmp_path / "layers", taps="features")
    assert caplog.text.count("up to date") == 2
    first = sorted(audio.iterdir())[0]
    shutil.copy(first, audio / "another.flac")
    run(**given, out=tmp_path / "units")
    assert "another" in units_of(tmp_path / "units")
    assert provenance.read(tmp_path / "units")["settings"]["k"] == 5
    facts = json.loads((tmp_path / "units/audio.json").read_text())
    assert facts["path"] == str(audio) and facts["utterances"] == len(units_of(tmp_path / "units"))


def test_k_means_that_do_not_fit_are_refused(shared, exported, corpus, tmp_path):
    model, units, out = shared / "exp/it1/model", shared / "units", {"audio": audio_of(corpus), "out": tmp_path / "x"}
    with pytest.raises(UserError, match="no k-means of a layer of its own lies beside it.*fit_kmeans"):
        run(model=model, **out)
    with pytest.raises(UserError, match="has 2 k-means: .*Name one by --kmeans"):
        run(model=shared / "export/huggingface", **out)
    with pytest.raises(UserError, match="of its layer 3 lies beside it, only kmeans_layer2_k5.npz"):
        run(model=exported, tap=3, **out)
    with pytest.raises(UserError, match="--tap 1: but .* is of tap 2"):
        run(model=model, kmeans=units / "it1@2_k5/kmeans", tap=1, **out)
    other = write_model(tmp_path / "other/model", updates=13)
    for kmeans in (units / "it1@2_k5/kmeans", exported / "kmeans_layer2_k5.npz"):
        with pytest.raises(UserError, match="which is another model than"):
            run(model=other, kmeans=kmeans, **out)
    np.savez(tmp_path / "mine.npz", centroids=np.zeros((3, 32), np.float32))
    with pytest.raises(UserError, match="name it by --tap"):
        run(model=model, kmeans=tmp_path / "mine.npz", **out)
    np.savez(tmp_path / "narrow.npz", centroids=np.zeros((3, 31), np.float32))
    with pytest.raises(UserError, match="expected 31 dimensions as the k-means has, found 32"):
        run(model=model, kmeans=tmp_path / "narrow.npz", tap=2, **out)
    with pytest.raises(UserError, match="made by fit_kmeans, found the output of make_labels"):
        run(model=model, kmeans=units / "it1@2_k5/valid", **out)
    with pytest.raises(UserError, match="normalised by speaker, and nothing says who speaks"):
        run(model=model, kmeans=units / "it1@1_k5_speaker/kmeans", **out)
    run(model=model, kmeans=tmp_path / "mine.npz", tap=2, **out)
    assert set(map(tuple, map(set, units_of(tmp_path / "x").values()))) == {(0,)}


def test_layers_of_any_audio_are_the_model_s(shared, exported, corpus, tmp_path):
    model = open_model(shared / "exp/it1/model")
    run(model=shared / "exp/it1/model", audio=audio_of(corpus), out=tmp_path / "npz", taps="conv|3")
    run(model=exported, audio=audio_of(corpus), out=tmp_path / "ark", taps="conv|3", format="ark")
    arks = {tap: archive.read_scp(tmp_path / "ark" / tap / "feats.scp") for tap in ("conv", "3")}
    files = sorted(audio_of(corpus).iterdir())
    for file in files:
        expected = model.taps(soundfile.read(file, dtype="float32")[0])
        with np.load(tmp_path / f"npz/{file.stem}.npz") as found:
            assert set(found) == {"conv", "3"}
            for tap in found:
                np.testing.assert_allclose(found[tap], expected[tap], atol=1e-4)
                np.testing.assert_allclose(arks[tap][file.stem], expected[tap], atol=1e-4)
    assert len(arks["3"]) == len(files)
    assert provenance.read(tmp_path / "npz")["inputs"]["model"]["id"] == provenance.identity(shared / "exp/it1/model")


@pytest.mark.parametrize(("name", "width"), [("mfcc", 39), ("logmel", 80)])
def test_layers_of_no_model(corpus, tmp_path, name, width):
    (tmp_path / "deep/er").mkdir(parents=True)
    samples = soundfile.read(sorted(audio_of(corpus).iterdir())[0], dtype="float32")[0]
    soundfile.write(tmp_path / "deep/er/x.wav", samples, 16000, subtype="FLOAT")
    run(model=name, audio=tmp_path / "deep", out=tmp_path / "out", taps="")
    with np.load(tmp_path / "out/er/x.npz") as found:
        np.testing.assert_array_equal(found["features"], open_model(name).tap(samples, "features"))
        assert found["features"].shape[1] == width


def test_layers_that_are_not_there_are_refused(shared, corpus, tmp_path):
    with pytest.raises(UserError, match="no tap '4'.*this model has conv, 0, 1, 2, 3"):
        run(model=shared / "exp/it1/model", audio=audio_of(corpus), out=tmp_path / "x", taps="4")
    (tmp_path / "list.scp").write_text(f"../x {sorted(audio_of(corpus).iterdir())[0]}\n")
    with pytest.raises(UserError, match="its name leads out of"):
        run(model="mfcc", audio=tmp_path / "list.scp", out=tmp_path / "x", taps="features")
    assert not (tmp_path / "x").exists()
