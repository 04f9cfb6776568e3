"""Models as if they had been trained, to export and to open."""

import torch

from hubert_iter import provenance
from hubert_iter.models import store
from hubert_iter.models.pretrainer import build

TINY = {
    "conv_channels": [8, 12, 12, 16, 16, 24, 24], "width": 32, "layers": 3, "heads": 4, "feedforward": 48,
    "position_kernel": 16, "position_groups": 4,
}  # fmt: skip
CLASSES = 7


def write_model(folder, objective="hubert", run=None, options=None, updates=12, **changes):
    """A trained-looking model: every parameter random, so that no two weights can be exchanged unnoticed."""
    classes = None if objective == "wav2vec2" else CLASSES
    objective = {"name": objective, **(options or {})}
    description = {"model": TINY | changes, "objective": objective, "classes": classes, "updates": updates}
    description |= {"run": run} if run else {}
    torch.manual_seed(0)
    model = build(description["model"], description["objective"], classes, "test")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    stage = provenance.Product(folder, "train", description, {})
    with stage.writing() as work:
        store.write(work, model, description)
    return folder
