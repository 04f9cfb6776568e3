"""Models of other libraries, small and random, saved by those libraries: their taps equal the libraries' layers."""

import argparse
import json
import logging
import os
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from foreign_models import CONVS, LAYERS, WIDTH, huggingface, shake, torchaudio_arguments

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from hubert_iter.errors import UserError
from hubert_iter.feats import foreign
from hubert_iter.feats.layers import open_model
from hubert_iter.frames import num_frames
from hubert_iter.models.convert import FAIRSEQ, TORCHAUDIO, fairseq, names

TOLERANCE = {"rtol": 0, "atol": 1e-4}


@pytest.fixture(scope="module")
def samples():
    # Neither mean 0 nor variance 1, so that a wrong decision on normalisation shows.
    return (np.random.default_rng(0).standard_normal(7300) * 0.1 + 0.05).astype(np.float32)


def compare(opened, conv, hidden, samples):
    taps = opened.taps(samples)
    assert list(taps) == ["conv", *(str(number) for number in range(LAYERS + 1))] == list(opened.names)
    np.testing.assert_allclose(taps["conv"], conv[0].numpy(), **TOLERANCE)
    assert len(hidden) == LAYERS + 1
    for number, layer in enumerate(hidden):
        np.testing.assert_allclose(taps[str(number)], layer[0].numpy(), **TOLERANCE)
        assert taps[str(number)].shape == (num_frames(len(samples)), WIDTH)
        np.testing.assert_array_equal(opened.tap(samples, str(number)), taps[str(number)])


# --- Hugging Face


@pytest.mark.parametrize(
    ("family", "large", "normalise"),
    [
        ("hubert", False, False), ("hubert", True, True), ("wav2vec2", False, True), ("wav2vec2", True, True),
        ("wavlm", False, False), ("wavlm", True, True), ("unispeech-sat", True, False),
    ],
)  # fmt: skip
def test_hugging_face(tmp_path, samples, family, large, normalise):
    model, extractor = huggingface(tmp_path, family, large, normalise)
    wave = extractor(samples, sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        hidden = model(wave, output_hidden_states=True).hidden_states
        conv = model.feature_projection(model.feature_extractor(wave).transpose(1, 2))
    opened = open_model(tmp_path)
    assert opened.description["normalise"] is normalise
    compare(opened, conv[0] if isinstance(conv, tuple) else conv, hidden, samples)


def test_a_fine_tuned_model_is_read_without_its_head(tmp_path, samples):
    transformers = pytest.importorskip("transformers")
    model, _ = huggingface(tmp_path / "base", "hubert")
    tuned = transformers.HubertForCTC(model.config)
    tuned.hubert.load_state_dict(model.state_dict())
    tuned.save_pretrained(tmp_path / "tuned")
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(tmp_path / "tuned")
    plain, opened = open_model(tmp_path / "base").taps(samples), open_model(tmp_path / "tuned").taps(samples)
    for tap in plain:
        np.testing.assert_allclose(opened[tap], plain[tap], **TOLERANCE)


def test_threads_see_their_own_utterance(tmp_path):
    """As labels of a teacher are made: each thread an utterance."""
    huggingface(tmp_path, "hubert")
    opened = open_model(tmp_path)
    waves = [np.random.default_rng(seed).standard_normal(4000 + 640 * seed).astype(np.float32) for seed in range(12)]
    expected = [opened.tap(wave, "2") for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda wave: opened.tap(wave, "2"), waves))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **TOLERANCE)


def test_missing_weights_are_refused_not_made_up(tmp_path):
    from safetensors.torch import load_file, save_file

    huggingface(tmp_path, "hubert")
    state = load_file(tmp_path / "model.safetensors")
    del state["encoder.layers.1.final_layer_norm.bias"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="encoder.layers.1.final_layer_norm.bias"):
        open_model(tmp_path)


def test_other_frames_than_ours_are_refused(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.HubertConfig(
        hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=4, intermediate_size=48, conv_dim=[8] * 7,
        conv_stride=[5, 2, 2, 2, 2, 2, 1],
    )  # fmt: skip
    transformers.HubertModel(config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="frames of 400 samples every 320, found 400 every 160"):
        open_model(tmp_path)


def test_without_transformers_the_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match="pip install"):
        open_model(tmp_path)


def test_a_hub_name_without_a_connection(monkeypatch):
    pytest.importorskip("transformers")
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="nobody/no-such-model: no such file or folder, and it cannot be fetched"):
        open_model("nobody/no-such-model")


# --- torchaudio


def torchaudio_layers(model, wave):
    with torch.no_grad():
        layers, _ = model.extract_features(wave)
        projected = model.encoder.feature_projection(model.feature_extractor(wave, None)[0])
        first = model.encoder.transformer._preprocess(projected)
    return projected, [first, *layers]


def normalised(samples):
    wave = torch.from_numpy(samples)[None]
    return torch.nn.functional.layer_norm(wave, wave.shape)


@pytest.mark.parametrize("large", [False, True])
def test_torchaudio_state_dict(tmp_path, samples, large, caplog):
    from torchaudio.models import wav2vec2_model

    model = shake(wav2vec2_model(**torchaudio_arguments(large)))
    torch.save(model.state_dict(), tmp_path / "some.pt")
    wave = normalised(samples) if large else torch.from_numpy(samples)[None]
    opened = open_model(tmp_path / "some.pt")
    assert "2 heads of 64" in caplog.text
    compare(opened, *torchaudio_layers(model, wave), samples)


def test_torchaudio_arguments_beside_the_weights(tmp_path, samples, caplog):
    from torchaudio.models import hubert_pretrain_model

    changed = {"encoder_num_heads": 8, "encoder_layer_norm_first": True}
    whole = {key: value for key, value in torchaudio_arguments().items() if key != "aux_num_out"} | changed
    model = shake(
        hubert_pretrain_model(
            **whole, mask_prob=0.8, mask_selection="static", mask_other=0.0, mask_length=10,
            no_mask_overlap=False, mask_min_space=1, mask_channel_prob=0.0, mask_channel_selection="static",
            mask_channel_other=0.0, mask_channel_length=10, no_mask_channel_overlap=False, mask_channel_min_space=1,
            skip_masked=False, skip_nomask=False, num_classes=7, final_dim=16, feature_grad_mult=0.1,
        )
    )  # fmt: skip
    torch.save(model.state_dict(), tmp_path / "some.pt")
    (tmp_path / "some.json").write_text(json.dumps(torchaudio_arguments() | changed | {"normalize_waveform": True}))
    opened = open_model(tmp_path / "some.pt")
    assert not caplog.text
    compare(opened, *torchaudio_layers(model.wav2vec2, normalised(samples)), samples)


def test_torchaudio_wavlm(tmp_path, samples):
    from torchaudio.models import wavlm_model

    given = torchaudio_arguments() | {"encoder_num_buckets": 32, "encoder_max_distance": 800}
    model = shake(wavlm_model(**given))
    torch.save(model.state_dict(), tmp_path / "wavlm.pt")
    compare(open_model(tmp_path / "wavlm.pt"), *torchaudio_layers(model, torch.from_numpy(samples)[None]), samples)


def test_a_bundle_by_name_comes_from_the_cache(tmp_path, samples, monkeypatch):
    import torchaudio

    model = shake(torchaudio.models.wav2vec2_model(**torchaudio_arguments()))
    bundle = torchaudio.pipelines.HUBERT_BASE
    monkeypatch.setattr(bundle, "_params", torchaudio_arguments())
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(model.state_dict(), tmp_path / "checkpoints" / bundle._path)
    assert foreign.locate("HUBERT_BASE") == tmp_path / "checkpoints" / bundle._path
    compare(open_model("HUBERT_BASE"), *torchaudio_layers(model, torch.from_numpy(samples)[None]), samples)


def test_a_misspelt_bundle_names_the_nearest():
    with pytest.raises(UserError, match="did you mean HUBERT_BASE"):
        open_model("HUBERT_BAS")


# --- fairseq


def fairseq_config(large=False, **changes):
    return {
        "_name": "hubert", "encoder_layers": LAYERS, "encoder_embed_dim": WIDTH, "encoder_ffn_embed_dim": 48,
        "encoder_attention_heads": 4, "extractor_mode": "layer_norm" if large else "default", "conv_bias": large,
        "layer_norm_first": large, "conv_pos": 16, "conv_pos_groups": 4,
        "conv_feature_layers": "[(8,10,5)] + [(12,3,2)] * 2 + [(16, 3, 2)]*2+[(24,2,2)] * 2",
    } | changes  # fmt: skip


def fairseq_model(large=False):
    """The reference network, and its weights under fairseq's names."""
    from torchaudio.models import wav2vec2_model

    model = shake(wav2vec2_model(**torchaudio_arguments(large) | {"encoder_num_heads": 4}))
    state, unknown = names.rename(model.state_dict(), TORCHAUDIO, FAIRSEQ)
    assert not unknown
    if large:  # group norm and layer norm of the first convolution share a name in torchaudio
        for leaf in ("weight", "bias"):
            state[f"feature_extractor.conv_layers.0.2.1.{leaf}"] = state.pop(
                f"feature_extractor.conv_layers.0.2.{leaf}"
            )
    heads = {
        "mask_emb": torch.zeros(WIDTH),
        "final_proj.weight": torch.zeros(4, WIDTH),
        "label_embs_concat": torch.ones(5, 4),
    }
    return model, state | heads


def of_class(monkeypatch, module, name, attributes):
    """An object of a class that only exists while the checkpoint is written."""
    kind = type(name, (), {"__module__": module})
    monkeypatch.setitem(sys.modules, module.split(".")[0], types.ModuleType(module.split(".")[0]))
    monkeypatch.setitem(sys.modules, module, types.SimpleNamespace(**{name: kind}))
    thing = kind()
    vars(thing).update(attributes)
    return thing


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("zipped", [True, False])
def test_fairseq_checkpoint_with_its_own_classes(tmp_path, samples, monkeypatch, large, zipped):
    model, state = fairseq_model(large)
    with monkeypatch.context() as patch:
        dictionary = of_class(patch, "fairseq.data.dictionary", "Dictionary", {"symbols": ["a", "b"]})
        node = of_class(patch, "omegaconf.nodes", "AnyNode", {"_val": large})
        task = of_class(patch, "omegaconf.dictconfig", "DictConfig", {"_content": {"normalize": node}})
        content = {
            "args": None, "model": state, "cfg": {"model": fairseq_config(large), "task": task},
            "task_state": {"dictionaries": [dictionary]},
        }  # fmt: skip
        torch.save(content, tmp_path / "hubert.pt", _use_new_zipfile_serialization=zipped)
    assert "fairseq" not in sys.modules
    wave = normalised(samples) if large else torch.from_numpy(samples)[None]
    compare(open_model(tmp_path / "hubert.pt"), *torchaudio_layers(model, wave), samples)


def test_fairseq_checkpoint_with_a_namespace_and_of_a_fine_tuned_model(tmp_path, samples):
    model, state = fairseq_model()
    inner = argparse.Namespace(**fairseq_config(), normalize=True)
    outer = argparse.Namespace(arch="wav2vec_ctc", normalize=True, w2v_args=inner)
    state = {f"w2v_encoder.w2v_model.{name}": value for name, value in state.items()}
    state["w2v_encoder.proj.weight"] = torch.zeros(3, WIDTH)
    torch.save({"args": outer, "model": state}, tmp_path / "tuned.pt")
    compare(open_model(tmp_path / "tuned.pt"), *torchaudio_layers(model, normalised(samples)), samples)


def test_fairseq_without_a_projection(tmp_path, samples):
    model, state = fairseq_model()
    wide = [(*row,) for row in CONVS[:-1]] + [(WIDTH, 2, 2)]
    state = {name: value for name, value in state.items() if not name.startswith("post_extract_proj")}
    state["feature_extractor.conv_layers.6.0.weight"] = torch.randn(WIDTH, 24, 2)
    state["layer_norm.weight"], state["layer_norm.bias"] = torch.ones(WIDTH), torch.randn(WIDTH)
    config = fairseq_config(conv_feature_layers=str(wide))
    torch.save({"args": None, "cfg": {"model": config}, "model": state}, tmp_path / "m.pt")
    conv = open_model(tmp_path / "m.pt").taps(samples)["conv"]
    # What LayerNorm gives is what arrives.
    np.testing.assert_allclose((conv - state["layer_norm.bias"].numpy()).mean(axis=1), 0, atol=1e-5)


class Malicious:
    def __reduce__(self):
        return os.mkdir, (Malicious.target,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, zipped):
    _, state = fairseq_model()
    Malicious.target = str(tmp_path / "executed")
    content = {"cfg": {"model": fairseq_config()}, "model": state, "extra": Malicious()}
    torch.save(content, tmp_path / "bad.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match="execute code"):
        open_model(tmp_path / "bad.pt")
    assert not (tmp_path / "executed").exists()


def test_a_pickled_model_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(UserError, match="state dict"):
        open_model(tmp_path / "whole.pt")


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"nothing like it")
    with pytest.raises(UserError, match="x.pt: cannot be loaded"):
        open_model(tmp_path / "x.pt")
    (tmp_path / "x.safetensors").write_bytes(b"nothing like it")
    with pytest.raises(UserError, match="x.safetensors: cannot be read"):
        open_model(tmp_path / "x.safetensors")


def test_fairseq_sizes_are_read_not_evaluated(tmp_path):
    path = tmp_path / "m.pt"
    assert fairseq.conv_layers("[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2", path)[4:6] == [
        (512, 3, 2),
        (512, 2, 2),
    ]
    with pytest.raises(UserError, match="expected a sum of lists"):
        fairseq.conv_layers("__import__('os').getcwd()", path)


def test_other_fairseq_models_are_refused(tmp_path):
    _, state = fairseq_model()
    state["encoder.layers.0.conv_module.weight"] = torch.zeros(2)
    torch.save({"cfg": {"model": fairseq_config()}, "model": state}, tmp_path / "m.pt")
    with pytest.raises(UserError, match="conv_module"):
        open_model(tmp_path / "m.pt")


# --- the interface


def test_an_unknown_tap_and_a_missing_path(tmp_path, samples):
    _, state = fairseq_model()
    torch.save({"cfg": {"model": fairseq_config()}, "model": state}, tmp_path / "m.pt")
    opened = open_model(tmp_path / "m.pt")
    with pytest.raises(UserError, match="this model has conv, 0, 1, 2, 3"):
        opened.tap(samples, "4")
    with pytest.raises(UserError, match="no such model file or folder"):
        open_model(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no model"):
        open_model(tmp_path / "empty")


def test_a_tap_stops_there(tmp_path, samples):
    _, state = fairseq_model()
    torch.save({"cfg": {"model": fairseq_config()}, "model": state}, tmp_path / "m.pt")
    opened = open_model(tmp_path / "m.pt")
    ran = []
    opened.model.encoder.transformer.layers[2].register_forward_pre_hook(lambda *_: ran.append(True))
    opened.tap(samples, "2")
    assert not ran
    opened.tap(samples, "3")
    assert ran


@pytest.fixture(autouse=True)
def warnings_only(caplog):
    caplog.set_level(logging.WARNING, "hubert_iter")
