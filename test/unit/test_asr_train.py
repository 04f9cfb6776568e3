"""What ESPnet is given to train on: layers stored before, or the audio, from whatever stage 2 of ssl.sh has left."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from trainings import MODEL

from hubert_iter import provenance
from hubert_iter.bin import asr_train, filter_data
from hubert_iter.data import datadir
from hubert_iter.data.audio import read_audio
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError
from hubert_iter.models import store
from hubert_iter.models.pretrainer import build

frontend = pytest.importorskip("hubert_iter.asr.frontend", reason="ESPnet's recognition is not installed")
from espnet2.train.dataset import ESPnetDataset  # noqa: E402

from hubert_iter.asr import tokens, train  # noqa: E402

SECONDS = {"u1": 1.0, "u2": 0.7}


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("network") / "model"
    folder.mkdir()
    store.write(folder, build(MODEL, None, None, "t"), {"model": MODEL, "objective": None, "classes": None})
    provenance.write(folder, "train", {}, {})
    return folder


def stage2(root: Path, entry: str, *options: str) -> datadir.DataDir:
    """What stage 2 makes of noise that wav.scp names as `entry`, with FILE for the file."""
    (root / "wav").mkdir()
    utterances = []
    for number, (name, seconds) in enumerate(SECONDS.items()):
        noise = np.random.default_rng(number).standard_normal(round(16000 * seconds))
        soundfile.write(root / f"wav/{name}.wav", (noise * 2000).astype(np.int16), 16000)
        utterances.append(Utterance(name, "s", len(noise), entry.replace("FILE", f"{root}/wav/{name}.wav")))
    datadir.write(root / "data", utterances, dict.fromkeys(SECONDS, "a b"))
    filter_data.main(["--data", str(root / "data"), "--out", str(root / "set"), *options])
    return datadir.read(root / "set")


def recogniser(root: Path, network: Path, data: datadir.DataDir, gigabytes: float, **conf) -> train.Recogniser:
    made = root / "tokens"
    made.mkdir()
    tokens.write(made, tokens.CHARACTER, {data.path.name: dict.fromkeys(SECONDS, "a b")}, 0)
    return train.Recogniser(str(network), {"frontend_conf": conf}, tokens.read(made), data, data, gigabytes)


def speech(options: list[str]) -> dict[str, np.ndarray]:
    """What ESPnet's training reads, by utterance."""
    given = [tuple(word.split(",")) for word in options if ",speech," in word]
    assert [Path(path).parts[-2] for path, _, _ in given] == ["train", "valid"]
    dataset = ESPnetDataset([given[0]], float_dtype="float32")
    return {name: dataset[name][1]["speech"] for name in SECONDS}


@pytest.mark.parametrize("entry", ["FILE", "cat FILE |"])
def test_stored_layers_and_audio_are_the_same_input_of_a_training(network, tmp_path, entry):
    """Above max_features_gb ESPnet is given the audio, as files or as stage 2's archive, and below it the layers."""
    data = stage2(tmp_path, entry)
    given, seen = {}, {}
    front = frontend.LayersFrontend(str(network))
    torch.nn.init.normal_(front.layer_weights)
    for what, gigabytes in (("layers", 1.0), ("audio", 0.0)):
        root = tmp_path / what
        root.mkdir()
        given[what] = speech(train._data_options(recogniser(root, network, data, gigabytes), root))
        seen[what] = {
            name: front(torch.from_numpy(array)[None], torch.tensor([len(array)]))[0]
            for name, array in given[what].items()
        }
    for utterance in data.utterances:
        np.testing.assert_array_equal(given["audio"][utterance.id], read_audio(utterance))
        assert given["layers"][utterance.id].shape[1] == len(front.layers) * front.width
        torch.testing.assert_close(seen["layers"][utterance.id], seen["audio"][utterance.id], rtol=0, atol=1e-5)


def test_fine_tuning_takes_the_archive_of_stage_2_and_no_stored_layers(network, tmp_path):
    data = stage2(tmp_path, "cat FILE |")
    found = speech(train._data_options(recogniser(tmp_path, network, data, 1.0, fine_tune=True), tmp_path))
    for utterance in data.utterances:
        assert ".ark:" in utterance.wav
        np.testing.assert_array_equal(found[utterance.id], read_audio(utterance))


@pytest.mark.parametrize("other", ["a command", "an archive of Kaldi's, whose samples ESPnet would give unscaled"])
def test_audio_that_espnet_cannot_read_alike_is_refused(network, tmp_path, other):
    data = stage2(tmp_path, "FILE")
    first, second = data.utterances
    wav = f"cat {second.wav} |"
    if "archive" in other:
        (tmp_path / "kaldi.ark").write_bytes(b"u2 " + Path(second.wav).read_bytes())
        wav = f"{tmp_path}/kaldi.ark:3"
    mixed = [first, Utterance(second.id, second.speaker, second.num_samples, wav)]
    np.testing.assert_array_equal(read_audio(mixed[1]), read_audio(second))
    datadir.write(tmp_path / "mixed", mixed, dict.fromkeys(SECONDS, "a b"))
    job = recogniser(tmp_path, network, datadir.read(tmp_path / "mixed"), 0.0)
    with pytest.raises(UserError, match="u2.*max_features_gb"):
        train._data_options(job, tmp_path)


@pytest.mark.parametrize("criterion", [None, [], ["valid"]])
def test_how_the_best_epoch_is_chosen_is_asked_for_before_the_training(tmp_path, criterion):
    values = {} if criterion is None else {"best_model_criterion": criterion}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    words = [f"--{name}={tmp_path}" for name in ("model", "data", "valid_data", "tokens", "out")]
    with pytest.raises(UserError, match="best_model_criterion: expected lists of phase, metric"):
        asr_train.main([*words, "--config", str(tmp_path / "mine.yaml"), "--conf_dirs", str(tmp_path)])
