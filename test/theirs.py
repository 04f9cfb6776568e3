"""Our encoder's parameters under torchaudio's and Hugging Face's names, written for the tests alone: a mistake in the
package's own table (models/convert/names.py) cannot hide here."""

import torch
from torch import Tensor, nn

POSITIONS = ("bias", "parametrizations.weight.original0", "parametrizations.weight.original1")


def named_parts(layers: int, transformer: str, projection: str) -> dict[str, tuple[str, ...]]:
    """Our parameter -> theirs; several of theirs where ours is their concatenation."""
    names = {f"convolutions.convs.{i}.weight": (f"feature_extractor.conv_layers.{i}.conv.weight",) for i in range(7)}
    modules = {
        "convolutions.norm": "feature_extractor.conv_layers.0.layer_norm",
        "feature_norm": f"{projection}.layer_norm",
        "projection": f"{projection}.projection",
        "input_norm": f"{transformer}.layer_norm",
    }
    for i in range(layers):
        block, theirs = f"blocks.{i}", f"{transformer}.layers.{i}"
        modules |= {
            f"{block}.attention_output": f"{theirs}.attention.out_proj",
            f"{block}.attention_norm": f"{theirs}.layer_norm",
            f"{block}.expand": f"{theirs}.feed_forward.intermediate_dense",
            f"{block}.contract": f"{theirs}.feed_forward.output_dense",
            f"{block}.output_norm": f"{theirs}.final_layer_norm",
        }
        for leaf in ("weight", "bias"):
            names[f"{block}.query_key_value.{leaf}"] = tuple(f"{theirs}.attention.{x}_proj.{leaf}" for x in "qkv")
    for ours, theirs in modules.items():
        for leaf in ("weight", "bias"):
            names[f"{ours}.{leaf}"] = (f"{theirs}.{leaf}",)
    for leaf in POSITIONS:
        names[f"positions.conv.{leaf}"] = (f"{transformer}.pos_conv_embed.conv.{leaf}",)
    return names


def copy_to_theirs(ours: nn.Module, theirs: nn.Module, names: dict[str, tuple[str, ...]]) -> None:
    """Copy every parameter; all of either side must be met."""
    mine, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
    assert mine.keys() == names.keys()
    assert {part for parts in names.values() for part in parts} == other.keys()
    with torch.no_grad():
        for name, parts in names.items():
            for part, value in zip(parts, mine[name].chunk(len(parts)), strict=True):
                other[part].copy_(value.reshape(other[part].shape))


def gradients(
    ours: nn.Module, theirs: nn.Module, names: dict[str, tuple[str, ...]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Our name -> (our gradient, theirs in our shape)."""
    mine, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
    return {
        name: (mine[name].grad, torch.cat([other[part].grad for part in parts]).reshape(mine[name].shape))
        for name, parts in names.items()
    }


def shake(module: nn.Module) -> None:
    """Move every parameter off its initial value, so that no two of a shape can be exchanged unnoticed."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
