"""What each library calls the same weights. One table serves every conversion, in either direction."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from hubert_iter.models.convert import FAIRSEQ, HUGGINGFACE, TORCHAUDIO

OURS = "ours"

# Modules: ours, fairseq, Hugging Face; {} is a number. torchaudio's names follow from Hugging Face's. Our single map to
# queries, keys and values counts as three here (see _split). "norms" are those of LARGE models, which ours do not have.
_MODULES = (
    ("convolutions.convs.{}", "feature_extractor.conv_layers.{}.0", "feature_extractor.conv_layers.{}.conv"),
    ("convolutions.norm", "feature_extractor.conv_layers.0.2", "feature_extractor.conv_layers.0.layer_norm"),
    ("convolutions.norms.{}", "feature_extractor.conv_layers.{}.2.1", "feature_extractor.conv_layers.{}.layer_norm"),
    ("feature_norm", "layer_norm", "feature_projection.layer_norm"),
    ("projection", "post_extract_proj", "feature_projection.projection"),
    ("positions.conv", "encoder.pos_conv.0", "encoder.pos_conv_embed.conv"),
    ("input_norm", "encoder.layer_norm", "encoder.layer_norm"),
    ("blocks.{}.query", "encoder.layers.{}.self_attn.q_proj", "encoder.layers.{}.attention.q_proj"),
    ("blocks.{}.key", "encoder.layers.{}.self_attn.k_proj", "encoder.layers.{}.attention.k_proj"),
    ("blocks.{}.value", "encoder.layers.{}.self_attn.v_proj", "encoder.layers.{}.attention.v_proj"),
    ("blocks.{}.attention_output", "encoder.layers.{}.self_attn.out_proj", "encoder.layers.{}.attention.out_proj"),
    ("blocks.{}.attention_norm", "encoder.layers.{}.self_attn_layer_norm", "encoder.layers.{}.layer_norm"),
    ("blocks.{}.expand", "encoder.layers.{}.fc1", "encoder.layers.{}.feed_forward.intermediate_dense"),
    ("blocks.{}.contract", "encoder.layers.{}.fc2", "encoder.layers.{}.feed_forward.output_dense"),
    ("blocks.{}.output_norm", "encoder.layers.{}.final_layer_norm", "encoder.layers.{}.final_layer_norm"),
)
_LEAVES = ("weight", "bias", "parametrizations.weight.original0", "parametrizations.weight.original1")
# The weight norm of the positions was spelled so before PyTorch 2; fairseq's files still do.
_FAIRSEQ_LEAVES = {"weight_g": _LEAVES[2], "weight_v": _LEAVES[3]}
_MASK = {OURS: "mask_vector", FAIRSEQ: "mask_emb", HUGGINGFACE: "masked_spec_embed", TORCHAUDIO: None}


def _torchaudio(name: str) -> str:
    if name.startswith("feature_extractor."):
        return name
    return "encoder.transformer." + name[len("encoder.") :] if name.startswith("encoder.") else "encoder." + name


_COLUMNS = {
    OURS: [row[0] for row in _MODULES],
    FAIRSEQ: [row[1] for row in _MODULES],
    HUGGINGFACE: [row[2] for row in _MODULES],
    TORCHAUDIO: [_torchaudio(row[2]) for row in _MODULES],
}
_PATTERNS = {
    layout: [re.compile(re.escape(name).replace(r"\{\}", r"(\d+)")) for name in names]
    for layout, names in _COLUMNS.items()
}


def rename(state: Mapping[str, Tensor], source: str, target: str) -> tuple[dict[str, Tensor], list[str]]:
    """Rename an encoder's weights; also the names that the table does not have, which are left out."""
    renamed, unknown = {}, []
    for key, value in state.items():
        if key == _MASK[source]:
            if _MASK[target]:
                renamed[_MASK[target]] = value
            continue
        name = _rename(key, source, target)
        if name is None:
            unknown.append(key)
        else:
            renamed[name] = value
    return renamed, unknown


def _rename(key: str, source: str, target: str) -> str | None:
    leaf = next((leaf for leaf in (*_LEAVES, *_FAIRSEQ_LEAVES) if key.endswith("." + leaf)), None)
    if leaf is None:
        return None
    module = key[: -len(leaf) - 1]
    leaf = _FAIRSEQ_LEAVES.get(leaf, leaf)
    if target == FAIRSEQ:
        leaf = next((old for old, new in _FAIRSEQ_LEAVES.items() if new == leaf), leaf)
    for pattern, name in zip(_PATTERNS[source], _COLUMNS[target], strict=True):
        if match := pattern.fullmatch(module):
            return name.format(*match.groups()) + "." + leaf
    return None


def export_state(state: Mapping[str, Tensor], layout: str) -> dict[str, Tensor]:
    """State of our Encoder -> state in another layout; every tensor its own copy."""
    renamed, unknown = rename(_split(state), OURS, layout)
    if unknown:
        # Only a change of Encoder without one of the table above leads here.
        raise NotImplementedError(f"no {layout} name for {', '.join(unknown)}")
    return copies(renamed)


def copies(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor its own, on the CPU, as files want them."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}


def import_state(state: Mapping[str, Tensor], layout: str) -> dict[str, Tensor]:
    """State in another layout -> state of our Encoder, for a post-LN model with group norm (BASE); inverse of export.

    torchaudio has no mask vector: then the result has none either.
    """
    return _merge(rename(state, layout, OURS)[0])


def _split(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our one map to queries, keys and values as three."""
    split = {}
    for key, value in state.items():
        if ".query_key_value." in key:
            for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
                split[key.replace("query_key_value", name)] = part
        else:
            split[key] = value
    return split


def _merge(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    merged = {}
    for key, value in state.items():
        if match := re.fullmatch(r"(blocks\.\d+)\.(query|key|value)\.(\w+)", key):
            if match[2] == "query":
                parts = [state[f"{match[1]}.{name}.{match[3]}"] for name in ("query", "key", "value")]
                merged[f"{match[1]}.query_key_value.{match[3]}"] = torch.cat(parts)
        else:
            merged[key] = value
    return merged
