"""Exported models give, in the libraries themselves, the hidden states they give here."""

import json
import os

import numpy as np
import pytest
import torch
from trained_models import CLASSES, TINY, write_model

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from hubert_iter import options
from hubert_iter.bin import export
from hubert_iter.errors import UserError
from hubert_iter.feats.layers import open_model
from hubert_iter.models import store
from hubert_iter.models.convert import FAIRSEQ, HUGGINGFACE, TORCHAUDIO, names
from hubert_iter.models.encoder import Encoder
from hubert_iter.models.settings import EncoderConfig

TOLERANCE = {"rtol": 0, "atol": 1e-4}


@pytest.fixture
def samples():
    return (np.random.default_rng(0).standard_normal(7300) * 0.1).astype(np.float32)


@pytest.fixture
def model_dir(tmp_path):
    return write_model(tmp_path / "run" / "model")


def exported(model_dir, name):
    out = model_dir.parent / "export" / name
    export.main(["--model", str(model_dir), "--formats", name, "--out", str(out.parent)])
    return out


def expected_layers(model_dir, samples):
    taps = open_model(model_dir).taps(samples)
    return [taps[str(number)] for number in range(TINY["layers"] + 1)]


def test_transformers_gives_our_layers(model_dir, samples):
    transformers = pytest.importorskip("transformers")
    folder = exported(model_dir, "huggingface")
    model, loading = transformers.HubertModel.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"] and not loading["mismatched_keys"]
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    wave = extractor(samples, sampling_rate=16000, return_tensors="pt").input_values
    np.testing.assert_array_equal(wave[0].numpy(), samples)
    with torch.no_grad():
        hidden = model.eval()(wave, output_hidden_states=True).hidden_states
    ours = expected_layers(model_dir, samples)
    assert len(hidden) == len(ours)
    for theirs, mine in zip(hidden, ours, strict=True):
        np.testing.assert_allclose(theirs[0].numpy(), mine, **TOLERANCE)
    mask_vector = store.read(model_dir).encoder.mask_vector
    assert torch.equal(model.masked_spec_embed, mask_vector)


def test_padding_changes_layers_and_an_attention_mask_does_not_make_up_for_it(model_dir, samples):
    """What the card warns of."""
    transformers = pytest.importorskip("transformers")
    folder = exported(model_dir, "huggingface")
    model = transformers.HubertModel.from_pretrained(folder).eval()
    wave = torch.from_numpy(samples)[None]
    padded = torch.nn.functional.pad(wave, (0, wave.shape[1]))
    mask = (torch.arange(padded.shape[1]) < wave.shape[1]).long()[None]
    with torch.no_grad():
        alone = model(wave).last_hidden_state
        for more in ({}, {"attention_mask": mask}):
            found = model(padded, **more).last_hidden_state[:, : alone.shape[1]]
            assert (found - alone).abs().max() > 0.1
        both = model(torch.cat([wave, wave.flip(1)])).last_hidden_state
    np.testing.assert_allclose(both[0].numpy(), alone[0].numpy(), **TOLERANCE)  # of one length: no padding
    card = (folder / "README.md").read_text()
    assert "one by one, or batches of utterances of one length" in card and "feat_extract_norm" in card
    assert json.loads((folder / "config.json").read_text())["feat_extract_norm"] == "group"


def facts_of(folder):
    lines = [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("- ")]
    return dict(line[2:].split(": ", 1) for line in lines)


@pytest.mark.parametrize("name", ["huggingface", "torchaudio", "fairseq"])
def test_the_card_names_the_configuration_and_its_weights(tmp_path, name):
    run = {"name": "it1", "objective": "hubert_unmasked", "targets": "mfcc", "k": CLASSES}
    options = {"masked_weight": 1.0, "unmasked_weight": 0.5}
    facts = facts_of(exported(write_model(tmp_path / "a" / "model", run=run, options=options), name))
    expected = {"model": "it1", "objective": "hubert", "configuration": "hubert_unmasked", "targets": "mfcc"}
    expected |= {"weight of masked frames": "1.0", "weight of unmasked frames": "0.5"}
    assert facts.items() >= expected.items()
    # Weights left to their defaults are named as well; an objective that has none lists none.
    facts = facts_of(exported(write_model(tmp_path / "b" / "model", run=run | {"objective": "hubert"}), name))
    assert (facts["configuration"], facts["weight of unmasked frames"]) == ("hubert", "0.0")
    facts = facts_of(
        exported(write_model(tmp_path / "c" / "model", "chubert", run=run | {"objective": "chubert"}), name)
    )
    assert facts["configuration"] == "chubert" and "weight of masked frames" not in facts
    facts = facts_of(exported(write_model(tmp_path / "d" / "model", run=run, updates=0), name))
    assert facts["objective"] == "none: random weights" and "configuration" not in facts


def test_transformers_pretrains_our_wav2vec2_further(tmp_path, samples):
    transformers = pytest.importorskip("transformers")
    model_dir = write_model(tmp_path / "model", "wav2vec2")
    folder = exported(model_dir, "huggingface")
    model, loading = transformers.Wav2Vec2ForPreTraining.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"] and not loading["mismatched_keys"]
    ours = store.read(model_dir)
    with torch.no_grad():
        wave = torch.from_numpy(samples)[None]
        result = model.eval()(wave)
        features, _ = ours.encoder.frame_features(wave)
        targets = ours.objective.target(ours.objective.quantiser(features, 1.0).vectors)
        queries = ours.objective.query(ours.encoder.transform(features))
    torch.testing.assert_close(result.projected_states, queries, **TOLERANCE)
    torch.testing.assert_close(result.projected_quantized_states, targets, **TOLERANCE)
    taps = open_model(folder).taps(samples)
    for tap, mine in open_model(model_dir).taps(samples).items():
        np.testing.assert_allclose(taps[tap], mine, **TOLERANCE)


def test_fairseq_wav2vec2_opens_again(tmp_path, samples):
    model_dir = write_model(tmp_path / "model", "wav2vec2")
    folder = exported(model_dir, "fairseq")
    state = torch.load(folder / "model.pt", weights_only=True)["model"]
    quantiser = store.read(model_dir).objective.quantiser
    assert torch.equal(state["quantizer.vars"][0, quantiser.entries], quantiser.codebooks[1, 0])
    assert state["quantizer.weight_proj.weight"].shape == (640, TINY["conv_channels"][-1])
    taps = open_model(folder).taps(samples)
    for tap, mine in open_model(model_dir).taps(samples).items():
        np.testing.assert_allclose(taps[tap], mine, **TOLERANCE)


def test_transformers_keeps_the_regularisation(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = exported(write_model(tmp_path / "model", dropout=0.25, layerdrop=0.15, input_dropout=0.35), "huggingface")
    config = transformers.AutoConfig.from_pretrained(folder)
    assert (config.hidden_dropout, config.layerdrop, config.feat_proj_dropout) == (0.25, 0.15, 0.35)


def torchaudio_model(folder):
    from torchaudio.models import wav2vec2_model

    model = wav2vec2_model(**json.loads((folder / "model.json").read_text())).eval()
    model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    return model


def test_torchaudio_gives_our_layers(model_dir, samples):
    model = torchaudio_model(exported(model_dir, "torchaudio"))
    with torch.no_grad():
        layers, _ = model.extract_features(torch.from_numpy(samples)[None])
    ours = expected_layers(model_dir, samples)[1:]
    assert len(layers) == len(ours)
    for theirs, mine in zip(layers, ours, strict=True):
        np.testing.assert_allclose(theirs[0].numpy(), mine, **TOLERANCE)


def test_fairseq_names_are_those_that_torchaudio_imports(model_dir, samples):
    from torchaudio.models.wav2vec2.utils.import_fairseq import _convert_state_dict

    checkpoint = torch.load(exported(model_dir, "fairseq") / "model.pt", weights_only=True)
    state = _convert_state_dict(checkpoint["model"])
    embeddings = state.pop("label_embs_concat")
    model = torchaudio_model(exported(model_dir, "torchaudio"))
    model.load_state_dict({name: torch.zeros_like(value) for name, value in model.state_dict().items()})
    model.load_state_dict(state)
    with torch.no_grad():
        layers, _ = model.extract_features(torch.from_numpy(samples)[None])
    for theirs, mine in zip(layers, expected_layers(model_dir, samples)[1:], strict=True):
        np.testing.assert_allclose(theirs[0].numpy(), mine, **TOLERANCE)
    # fairseq numbers labels after its four special symbols.
    assert torch.equal(embeddings[4:], store.read(model_dir).objective.head.embeddings)
    assert len(embeddings) == CLASSES + 4


def test_fairseq_checkpoint_has_what_its_loader_reads(model_dir):
    folder = exported(model_dir, "fairseq")
    checkpoint = torch.load(folder / "model.pt", weights_only=True)
    assert checkpoint["args"] is None and checkpoint["extra_state"]["train_iterator"]["epoch"] == 1
    assert checkpoint["optimizer_history"][-1]["num_updates"] == 12
    assert checkpoint["cfg"]["task"]["normalize"] is False
    convs = checkpoint["cfg"]["model"]["conv_feature_layers"]
    assert [row[0] for row in eval(convs)] == TINY["conv_channels"]  # fairseq evaluates the text, too
    labels = (folder / "dict.km.txt").read_text().split("\n")
    assert labels[:2] == ["0 1", "1 1"] and len(labels) == CLASSES + 1


def test_fairseq_cannot_hold_a_projection_between_equal_widths(tmp_path):
    model_dir = write_model(tmp_path / "model", conv_channels=32)
    with pytest.raises(UserError, match="Export it to huggingface"):
        exported(model_dir, "fairseq")
    assert not (tmp_path / "export" / "fairseq").exists()


@pytest.mark.parametrize("name", ["huggingface", "torchaudio", "fairseq"])
def test_what_is_exported_opens_again_with_all_taps(model_dir, samples, name):
    if name == "huggingface":
        pytest.importorskip("transformers")
    folder = exported(model_dir, name)
    theirs, ours = open_model(folder).taps(samples), open_model(model_dir).taps(samples)
    assert list(theirs) == list(ours)
    for tap in ours:
        np.testing.assert_allclose(theirs[tap], ours[tap], **TOLERANCE)
    assert "objective: hubert" in (folder / "README.md").read_text()


@pytest.mark.parametrize("layout", [HUGGINGFACE, FAIRSEQ, TORCHAUDIO])
def test_names_there_and_back(layout):
    state = Encoder(options.read(EncoderConfig, TINY, "test")).state_dict()
    back = names.import_state(names.export_state(state, layout), layout)
    if layout == TORCHAUDIO:  # it has no mask vector
        del state["mask_vector"]
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_export_is_not_repeated_until_the_model_changes(model_dir, caplog):
    caplog.set_level("INFO")
    folder = exported(model_dir, "torchaudio")
    before = (folder / "model.pt").stat().st_mtime_ns
    exported(model_dir, "torchaudio")
    assert (folder / "model.pt").stat().st_mtime_ns == before and "up to date" in caplog.text
    write_model(model_dir, layerdrop=0.4)
    exported(model_dir, "torchaudio")
    assert json.loads((folder / "model.json").read_text())["encoder_layer_drop"] == 0.4


def test_espnet_reads_the_hugging_face_export(model_dir, samples):
    pytest.importorskip("transformers")
    frontends = pytest.importorskip("espnet2.asr.frontend.huggingface")
    frontend = frontends.HuggingFaceFrontend(str(exported(model_dir, "huggingface")))
    wave = torch.from_numpy(samples)[None]
    with torch.no_grad():
        frontend.eval()
        features, lengths = frontend(wave, torch.tensor([wave.shape[1]]))
    np.testing.assert_allclose(features[0].numpy(), expected_layers(model_dir, samples)[-1], **TOLERANCE)
    assert int(lengths[0]) == features.shape[1]
