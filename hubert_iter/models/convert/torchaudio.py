"""Our models for torchaudio's wav2vec2_model, and torchaudio's own state dicts opened."""

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hubert_iter.errors import UserError, refuse_unknown_keys, summarise
from hubert_iter.models.convert import TORCHAUDIO, names
from hubert_iter.models.pretrainer import Pretrainer
from hubert_iter.models.settings import KERNELS, STRIDES, EncoderConfig

README = """\
# {title}

For torchaudio: `model.pt` is a state dict, `model.json` holds the arguments of the model it belongs to.

```python
import json
import torch
from torchaudio.models import wav2vec2_model

model = wav2vec2_model(**json.load(open("model.json"))).eval()
model.load_state_dict(torch.load("model.pt", weights_only=True))
layers, _ = model.extract_features(samples)    # samples [batch, time] in +-1 at 16 kHz, not normalised
```

{facts}
"""
log = logging.getLogger(__name__)


def write(folder: Path, model: Pretrainer, facts: dict[str, str]) -> str:
    """Write model.pt and model.json; returns the README's text."""
    torch.save(names.export_state(model.encoder.state_dict(), TORCHAUDIO), folder / "model.pt")
    (folder / "model.json").write_text(json.dumps(arguments(model.encoder.config), indent=1) + "\n")
    lines = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return README.format(title=facts["model"], facts=lines)


def arguments(config: EncoderConfig) -> dict:
    """Arguments of torchaudio.models.wav2vec2_model."""
    return {
        "extractor_mode": "group_norm",
        "extractor_conv_layer_config": [list(row) for row in zip(config.channels, KERNELS, STRIDES, strict=True)],
        "extractor_conv_bias": False,
        "encoder_embed_dim": config.width,
        "encoder_projection_dropout": config.input_dropout,
        "encoder_pos_conv_kernel": config.position_kernel,
        "encoder_pos_conv_groups": config.position_groups,
        "encoder_num_layers": config.layers,
        "encoder_num_heads": config.heads,
        "encoder_attention_dropout": config.attention_dropout,
        "encoder_ff_interm_features": config.feedforward,
        "encoder_ff_interm_dropout": config.activation_dropout,
        "encoder_dropout": config.dropout,
        "encoder_layer_norm_first": False,
        "encoder_layer_drop": config.layerdrop,
        "aux_num_out": None,
    }


def bundles() -> dict:
    """Published self-supervised models of torchaudio by name."""
    from torchaudio import pipelines

    kinds = (pipelines.Wav2Vec2Bundle, pipelines.Wav2Vec2ASRBundle)
    return {name: bundle for name, bundle in vars(pipelines).items() if isinstance(bundle, kinds)}


def build(state: Mapping[str, Tensor], path: Path) -> tuple[torch.nn.Module, bool]:
    """A state dict -> torchaudio's model with these weights, and whether audio is normalised before it.

    The arguments come from a .json file of the same name beside it, from the bundle whose file this is, or from the
    shapes.
    """
    from torchaudio.models import wav2vec2_model, wavlm_model

    state = {key: value for key, value in state.items() if not key.startswith("aux.")}
    bundle = next((bundle for bundle in bundles().values() if Path(bundle._path).name == path.name), None)
    beside = path.with_suffix(".json")
    if beside.is_file():
        given = _read_arguments(beside)
        normalise = bool(given.pop("normalize_waveform", False))
    elif bundle:
        given, normalise = dict(bundle._params), bundle._normalize_waveform
    else:
        given = guess_arguments(state, path)
        normalise = given["extractor_mode"] == "layer_norm"
        log.warning(
            "%s does not say everything about its model: taken are %d heads of 64, %s-LN blocks and audio %s, as in "
            "all published models of its shape. If that is wrong, write wav2vec2_model's arguments (and "
            "normalize_waveform) into %s",
            path,
            given["encoder_num_heads"],
            "pre" if given["encoder_layer_norm_first"] else "post",
            "normalised" if normalise else "as it is",
            beside,
        )
    given["aux_num_out"] = None
    factory = wavlm_model if "encoder_num_buckets" in given else wav2vec2_model
    try:
        model = factory(**given)
        model.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError) as error:
        name = factory.__name__
        raise UserError(f"{path}: its weights do not fit torchaudio's {name} with {given}: {error}") from None
    return model, normalise


def _read_arguments(path: Path) -> dict:
    try:
        given = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    known = [*arguments(EncoderConfig()), "encoder_num_buckets", "encoder_max_distance", "normalize_waveform"]
    refuse_unknown_keys(given, known, str(path))
    return given


def guess_arguments(state: Mapping[str, Tensor], path: Path) -> dict:
    """Arguments from the shapes; heads are 64 wide and LARGE models pre-LN, as in everything published."""
    convs = sorted(_numbers(state, r"feature_extractor\.conv_layers\.(\d+)\.conv\.weight"))
    layers = _numbers(state, r"encoder\.transformer\.layers\.(\d+)\..+")
    positions = [key for key in ("parametrizations.weight.original1", "weight_v")
                 if f"encoder.transformer.pos_conv_embed.conv.{key}" in state]  # fmt: skip
    if not convs or not layers or not positions:
        raise UserError(f"{path}: expected a state dict of torchaudio's wav2vec2_model, found {summarise(state, 3)}")
    weights = [state[f"feature_extractor.conv_layers.{number}.conv.weight"] for number in convs]
    kernels = tuple(weight.shape[2] for weight in weights)
    width = state["encoder.feature_projection.projection.weight"].shape[0]
    if kernels != KERNELS or width % 64:
        raise UserError(
            f"{path}: strides and heads cannot be told from a state dict with kernels {kernels} and width {width}. "
            f"Write the arguments of wav2vec2_model into {path.with_suffix('.json')}"
        )
    large = "feature_extractor.conv_layers.1.layer_norm.weight" in state
    wide = state[f"encoder.transformer.pos_conv_embed.conv.{positions[0]}"]
    given = {
        **arguments(EncoderConfig()),
        "extractor_mode": "layer_norm" if large else "group_norm",
        "extractor_conv_layer_config": [
            (weight.shape[0], kernel, stride) for weight, kernel, stride in zip(weights, kernels, STRIDES, strict=True)
        ],
        "extractor_conv_bias": "feature_extractor.conv_layers.0.conv.bias" in state,
        "encoder_embed_dim": width,
        "encoder_pos_conv_kernel": wide.shape[2],
        "encoder_pos_conv_groups": width // wide.shape[1],
        "encoder_num_layers": max(layers) + 1,
        "encoder_num_heads": width // 64,
        "encoder_ff_interm_features": state[
            "encoder.transformer.layers.0.feed_forward.intermediate_dense.weight"
        ].shape[0],
        "encoder_layer_norm_first": large,
    }
    buckets = state.get("encoder.transformer.layers.0.attention.rel_attn_embed.weight")
    return given if buckets is None else {**given, "encoder_num_buckets": len(buckets), "encoder_max_distance": 800}


def _numbers(state: Mapping[str, Tensor], pattern: str) -> set[int]:
    return {int(match[1]) for key in state if (match := re.fullmatch(pattern, key))}
