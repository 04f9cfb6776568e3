"""Our models as fairseq checkpoints of plain tensors and dicts, and fairseq's checkpoints opened without fairseq."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hubert_iter.errors import UserError
from hubert_iter.models.convert import names, tensors
from hubert_iter.models.encoder import KERNELS, STRIDES, EncoderConfig
from hubert_iter.models.pretrainer import Pretrainer

README = """\
# {title}

For fairseq: `model.pt` in the layout of its HuBERT checkpoints, tensors and plain dicts alone.
{dictionary}
```python
from fairseq import checkpoint_utils

models, config, task = checkpoint_utils.load_model_ensemble_and_task(
    ["model.pt"], arg_overrides={{"data": "PATH OF THIS FOLDER", "label_dir": "PATH OF THIS FOLDER"}}
)
```

{facts}
"""
_SPECIAL_LABELS = 4
"""fairseq's dictionaries put <s>, <pad>, </s> and <unk> before the labels."""


def write(folder: Path, model: Pretrainer, objective: str, facts: dict[str, str]) -> str:
    """Write model.pt and the dictionary of labels; returns the README's text."""
    config = model.encoder.config
    if config.channels[-1] == config.width:
        raise UserError(
            f"fairseq has no projection between convolutions and Transformer where both are equally wide ({config.width}), "
            "this model has one. Export it to huggingface or torchaudio instead"
        )
    if objective == "wav2vec2":
        raise UserError("the fairseq format holds hubert and chubert models. Export wav2vec2 to huggingface or torchaudio")
    state = names.export_state(model.encoder.state_dict(), names.FAIRSEQ)
    head = model.objective.head
    embeddings = head.embeddings.detach()
    state["final_proj.weight"] = head.query.weight.detach().clone()
    state["final_proj.bias"] = head.query.bias.detach().clone()
    # Zero vectors have cosine 0 with everything: the special labels are neither likely nor unlikely.
    state["label_embs_concat"] = torch.cat([embeddings.new_zeros(_SPECIAL_LABELS, embeddings.shape[1]), embeddings])
    checkpoint = {
        "args": None,
        "cfg": {
            "_name": None,
            "common": {"_name": None, "fp16": False, "seed": 0},
            "task": TASK,
            "model": configuration(config, embeddings.shape[1], model.objective.temperature),
        },
        "model": state,
        "optimizer_history": [
            {"criterion_name": "HubertCriterion", "optimizer_name": "FairseqAdam", "lr_scheduler_state": {},
             "num_updates": int(facts.get("updates", 0))}
        ],
        "extra_state": {"train_iterator": {"epoch": 1}},
        "task_state": {},
    }  # fmt: skip
    torch.save(checkpoint, folder / "model.pt")
    (folder / "dict.km.txt").write_text("".join(f"{label} 1\n" for label in range(len(embeddings))))
    lines = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    note = f"`dict.km.txt` lists its {len(embeddings)} labels; fairseq looks for it in the task's `data` folder.\n"
    return README.format(title=facts["model"], facts=lines, dictionary=note)


TASK = {
    "_name": "hubert_pretraining", "data": ".", "label_dir": None, "labels": ["km"], "label_rate": 50,
    "sample_rate": 16000, "normalize": False, "fine_tuning": False, "pad_audio": False, "random_crop": True,
}  # fmt: skip


def configuration(config: EncoderConfig, embedding: int, temperature: float) -> dict:
    """The fields of fairseq's HubertConfig."""
    return {
        "_name": "hubert",
        "label_rate": 50,
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
        "final_dim": embedding,
        "untie_final_proj": True,
        "layer_norm_first": False,
        "conv_feature_layers": str(list(zip(config.channels, KERNELS, STRIDES, strict=True))),
        "conv_bias": False,
        "logit_temp": temperature,
        "feature_grad_mult": config.conv_gradient,
        "conv_pos": config.position_kernel,
        "conv_pos_groups": config.position_groups,
    }


def build(content: Mapping, path: Path) -> tuple[torch.nn.Module, bool]:
    """A checkpoint's content -> torchaudio's model with these weights, and whether audio is normalised before it.

    torchaudio's model is the same network as fairseq's and needs none of fairseq's code.
    """
    from torchaudio.models import wav2vec2_model

    settings, normalise = _settings(content, path)
    state = strip_prefix(content["model"], "feature_extractor.conv_layers.0.0.weight")
    renamed, unknown = names.rename(state, names.FAIRSEQ, names.TORCHAUDIO)
    unknown = [name for name in unknown if not re.match(_HEADS, name)]
    if unknown:
        raise UserError(
            f"{path}: expected the weights of fairseq's HuBERT or wav2vec 2.0, found {', '.join(unknown[:3])}. Other models "
            "(data2vec, conformers, WavLM in its authors' own format) are read in the Hugging Face format"
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


def _settings(content: Mapping, path: Path) -> tuple[dict, bool]:
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
