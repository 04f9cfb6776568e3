"""What is fast on a CPU, and why: forms of the model's parts that compute the same in less time.

`place` is the only door. A form is a subclass of the plain module with another `forward`; parameters, their names and
their initial values are the plain module's. The head of each file says what it replaces, why it is faster and by how
much; test/benchmark/cpu_forms.py measures that anew.
"""

import torch
from torch import nn

from hubert_iter.models import encoder
from hubert_iter.models.cpu.attention import ProductAttention
from hubert_iter.models.cpu.convolutions import ChannelsLastFeatures
from hubert_iter.models.cpu.dropout import SixteenBitDropout
from hubert_iter.models.cpu.positions import FourierPositions
from hubert_iter.models.cpu.products import OneDnnLinear

FORMS = {
    encoder.ConvFeatures: ChannelsLastFeatures,
    encoder.ConvPositions: FourierPositions,
    encoder.Attention: ProductAttention,
    nn.Dropout: SixteenBitDropout,
}
ENCODER_FORMS = {nn.Linear: OneDnnLinear}
"""In the encoder only: an objective's linear maps see few frames, and stay plain."""


def place[M: nn.Module](model: M, device: torch.device) -> M:
    """Move a model to the device that it is to run on; if that is a CPU, its parts get their fast forms."""
    if device.type == "cpu":
        give(model, FORMS)
        for part in model.modules():
            if isinstance(part, encoder.Encoder):
                give(part, ENCODER_FORMS)
    return model.to(device)


def give(module: nn.Module, forms: dict[type[nn.Module], type[nn.Module]]) -> None:
    """Turn the parts of these types into their forms, in place: parameters stay the same objects."""
    for part in module.modules():
        part.__class__ = forms.get(type(part), type(part))
