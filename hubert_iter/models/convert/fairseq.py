"""Our models as fairseq checkpoints of plain tensors and dicts, and fairseq's checkpoints opened without fairseq."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hubert_iter.errors import UserError, summarise
from hubert_iter.frames import FRAME_RATE, SAMPLE_RATE
from hubert_iter.models.convert import FAIRSEQ, TORCHAUDIO, names, tensors
from hubert_iter.models.pretrainer import Pretrainer
from hubert_iter.models.settings import KERNELS, STRIDES, EncoderConfig

README = """\
# {title}

For fairseq: `model.pt` in the layout of its own checkpoints, tensors and plain dicts alone.
{dictionary}
```python
from fairseq import checkpoint_utils

models, config, task = checkpoint_utils.load_model_ensemble_and_task(["model.pt"]{overrides})
```

{facts}
"""


def write(folder: Path, model: Pretrainer, facts: dict[str, str]) -> str:
    """Write model.pt and the dictionary of labels; returns the README's text."""
    config = model.encoder.config
    if config.channels[-1] == config.width:
        raise UserError(
            f"fairseq has no projection between convolutions and Transformer where both are {config.width} wide, this "
            "model has one. Export it to huggingface or torchaudio instead"
        )
    head = model.objective and model.objective.fairseq()
    if head is None:
        name = f"objective {model.objective.settings.name}" if model.objective else "model without an objective"
        raise UserError(f"fairseq has no {name}. Export the model to huggingface or torchaudio instead")
    task, note = _TASK, ""
    if head.labels:
        task = _TASK | _LABELS
        (folder / "dict.km.txt").write_text("".join(f"{label} 1\n" for label in range(head.labels)))
        note = f"`dict.km.txt` lists its {head.labels} labels; fairseq looks for it in the task's `data` folder.\n"
    optimiser = {"criterion_name": model.objective.settings.name, "optimizer_name": "adam", "lr_scheduler_state": {}}
    checkpoint = {
        "args": None,
        "cfg": {"_name": None, "task": task, "model": {**configuration(config), **head.config}},
        "model": names.export_state(model.encoder.state_dict(), FAIRSEQ) | names.copies(head.weights),
        "optimizer_history": [optimiser | {"num_updates": int(facts.get("updates", 0))}],
        "extra_state": {"train_iterator": {"epoch": 1}},
        "task_state": {},
    }
    torch.save(checkpoint, folder / "model.pt")
    lines = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return README.format(title=facts["model"], facts=lines, dictionary=note, overrides=_OVERRIDES if note else "")


_OVERRIDES = ', arg_overrides={"data": "PATH OF THIS FOLDER", "label_dir": "PATH OF THIS FOLDER"}'
_TASK = {"_name": "audio_pretraining", "data": ".", "sample_rate": SAMPLE_RATE, "normalize": False}
_LABELS = {
    "_name": "hubert_pretraining",
    "label_dir": None,
    "labels": ["km"],
    "label_rate": FRAME_RATE,
    "fine_tuning": False,
}
"""Further entries of the task, for an objective with labels."""


def configuration(config: EncoderConfig) -> dict:
    """The fields that describe the encoder, alike in fairseq's HubertConfig and Wav2Vec2Config."""
    return {
        "extractor_mode": "default",
        "encoder_layers": config.layers,
        "encoder_embed_dim": config.width,
        "encoder_ffn_embed_dim": config.feedforward,
        "encoder_attention_heads": config.heads,
        "activation_fn": "gelu",
        "dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "activation_dropout": config.activation_dropout,
        "encoder_layerdrop": config.layerdrop,
        "dropout_input": config.input_dropout,
        "layer_norm_first": False,
        "conv_feature_layers": str(list(zip(config.channels, KERNELS, STRIDES, strict=True))),
        "conv_bias": False,
        "feature_grad_mult": config.conv_gradient,
        "conv_pos": config.position_kernel,
        "conv_pos_groups": config.position_groups,
    }


def build(content: Mapping, path: Path) -> tuple[torch.nn.Module, bool]:
    """A checkpoint's content -> torchaudio's model with these weights, and whether audio is normalised before it.

    torchaudio's model is the same network as fairseq's and needs none of fairseq's code.
    """
    from torchaudio.models import wav2vec2_model

    settings, normalise = _settings(content)
    state = strip_prefix(content["model"], "feature_extractor.conv_layers.0.0.weight")
    renamed, unknown = names.rename(state, FAIRSEQ, TORCHAUDIO)
    unknown = [name for name in unknown if not re.match(_HEADS, name)]
    if unknown:
        raise UserError(
            f"{path}: expected the weights of fairseq's HuBERT or wav2vec 2.0, found {summarise(unknown, 3)}. Other "
            "models (data2vec, conformers, WavLM in its authors' own format) are read in the Hugging Face format"
        )
    given = _arguments(settings, path)
    projection = "encoder.feature_projection.projection"
    if f"{projection}.weight" not in renamed:
        # fairseq has no projection where convolutions and Transformer are equally wide.
        width = given["encoder_embed_dim"]
        renamed |= {f"{projection}.weight": torch.eye(width), f"{projection}.bias": torch.zeros(width)}
    try:
        model = wav2vec2_model(**given)
        model.load_state_dict(renamed)
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: its weights do not fit the configuration beside them: {error}") from None
    return model, normalise


_HEADS = r"(quantizer|project_q|final_proj|label_embs_concat|target_glu|proj|input_quantizer)(\.|$)"


def strip_prefix(state: Mapping[str, Tensor], landmark: str) -> dict[str, Tensor]:
    """Names relative to the module that holds `landmark`, without that module's siblings."""
    prefix = next((key[: -len(landmark)] for key in state if key.endswith(landmark)), "")
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def _settings(content: Mapping) -> tuple[dict, bool]:
    """The model's settings, and whether audio was normalised in training; a fine-tuned model's are one level down."""
    whole = tensors.plain(content.get("cfg") or {})
    if whole.get("model"):
        model, task = whole["model"], whole.get("task") or {}
    else:
        model = task = tensors.plain(content.get("args")) or {}
    normalise = bool(task.get("normalize", model.get("normalize", False)))
    inner = model.get("w2v_args")
    if inner and "encoder_layers" not in model:
        model = inner.get("model", inner)
    return model, normalise


def _arguments(settings: Mapping, path: Path) -> dict:
    needed = ("encoder_layers", "encoder_embed_dim", "encoder_ffn_embed_dim", "encoder_attention_heads")
    missing = [name for name in needed if not isinstance(settings.get(name), int)]
    if missing:
        raise UserError(
            f"{path}: the configuration in it does not give {', '.join(missing)}. Convert it to the Hugging Face format"
        )
    return {
        "extractor_mode": "layer_norm" if settings.get("extractor_mode") == "layer_norm" else "group_norm",
        "extractor_conv_layer_config": conv_layers(settings.get("conv_feature_layers") or _BASE_CONVS, path),
        "extractor_conv_bias": bool(settings.get("conv_bias", False)),
        "encoder_embed_dim": settings["encoder_embed_dim"],
        "encoder_projection_dropout": 0.0,
        "encoder_pos_conv_kernel": int(settings.get("conv_pos", 128)),
        "encoder_pos_conv_groups": int(settings.get("conv_pos_groups", 16)),
        "encoder_num_layers": settings["encoder_layers"],
        "encoder_num_heads": settings["encoder_attention_heads"],
        "encoder_attention_dropout": 0.0,
        "encoder_ff_interm_features": settings["encoder_ffn_embed_dim"],
        "encoder_ff_interm_dropout": 0.0,
        "encoder_dropout": 0.0,
        "encoder_layer_norm_first": bool(settings.get("layer_norm_first", False)),
        "encoder_layer_drop": 0.0,
        "aux_num_out": None,
    }


_BASE_CONVS = "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2"


def conv_layers(text: str, path: Path) -> list[tuple[int, int, int]]:
    """fairseq's "[(512, 10, 5)] + [(512, 3, 2)] * 4" -> its tuples. fairseq evaluates the text, this only reads it."""
    try:
        return [tuple(int(number) for number in row) for row in _value(ast.parse(text, mode="eval").body)]
    except (SyntaxError, ValueError, TypeError):
        raise UserError(f"{path}: conv_feature_layers: expected a sum of lists of triples, found '{text}'") from None


def _value(node: ast.expr) -> list:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _value(node.left) + _value(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _value(node.left) * int(ast.literal_eval(node.right))
    return list(ast.literal_eval(node))
