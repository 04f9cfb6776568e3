"""A network's layers as an ESPnet front end: a learnt weighted mean over all layers of the Transformer.

As SUPERB has it (Yang et al., arXiv 2105.01051): the recogniser sees one vector a frame, the mean of the layers'
outputs with softmax weights that are learnt with it. ESPnet's own front end for Hugging Face models gives the last
layer alone, which misjudges first-iteration networks: their phones are in the middle.

Layers differ in size, by which a weight would be misread. So, with `equalise`, each frame of each layer is first
brought to mean 0 and variance 1 (a LayerNorm without parameters); SUPERB leaves that out.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import Tensor, nn

from hubert_iter.errors import UserError
from hubert_iter.feats.layers import open_model
from hubert_iter.feats.taps import TappedModel
from hubert_iter.frames import SAMPLE_RATE
from hubert_iter.models import store
from hubert_iter.models.settings import DESCRIPTION

NAME = "hubert_iter"
"""The front end's name in ESPnet's YAML."""


class LayersFrontend(AbsFrontend):
    """`frontend: hubert_iter`, `frontend_conf: {model: FOLDER}` of ESPnet's YAML.

    It takes waveforms [B, S] in +-1 at 16 kHz, or, where the network is frozen, its layers computed before and stored
    side by side, [B, T, K D] (`stored`). The network's weights are part of the recogniser's only with `fine_tune`.
    """

    def __init__(self, model: str, fine_tune: bool = False, equalise: bool = True):
        super().__init__()
        self.model = model
        self.equalise = equalise
        self._opened: dict[str, TappedModel] = {}
        if fine_tune and not (Path(model) / DESCRIPTION).is_file():
            raise UserError(f"frontend_conf: fine_tune needs a model trained by hubert_iter, found {model}")
        self.encoder = store.read(model).encoder if fine_tune else None
        names = self.encoder.config.taps if fine_tune else self._open("cpu").names
        self.layers = layers_of(names)
        self.width = self.encoder.config.width if fine_tune else width_of(self._open("cpu"))
        self.layer_weights = nn.Parameter(torch.zeros(len(self.layers)))

    def output_size(self) -> int:
        """D, the width of the layers."""
        return self.width

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms [B, S] or stored layers [B, T, K D], and lengths [B] -> [B, T, D], 0 after the end, and frames."""
        if input.dim() == 3:
            layers, lengths = input.unflatten(2, (len(self.layers), self.width)), input_lengths
        else:
            found = [self._of_one(wave[:length]) for wave, length in zip(input, input_lengths.tolist(), strict=True)]
            lengths = torch.tensor([len(each) for each in found], device=input_lengths.device)
            layers = nn.utils.rnn.pad_sequence(found, batch_first=True)
        if self.equalise and len(self.layers) > 1:
            layers = F.layer_norm(layers, (self.width,))
        mean = torch.einsum("btkd,k->btd", layers, self.layer_weights.softmax(0))
        inside = torch.arange(mean.shape[1], device=mean.device) < lengths.to(mean.device)[:, None]
        return mean * inside[..., None], lengths

    def shares(self) -> dict[str, float]:
        """Layer -> its share of the mean."""
        return dict(zip(self.layers, self.layer_weights.detach().softmax(0).tolist(), strict=True))

    def _of_one(self, wave: Tensor) -> Tensor:
        """One utterance alone, so that no padding is seen: [S] -> [T, K, D]."""
        if self.encoder is None:
            seen = self._open(wave.device.type).taps(wave.cpu().numpy())
            return torch.from_numpy(np.stack([seen[name] for name in self.layers], axis=1)).to(wave.device)
        outputs: dict[str, Tensor] = {}
        features, _ = self.encoder.frame_features(wave[None])
        # A block that layerdrop leaves out is seen too: its output is its input.
        self.encoder.transform(features, observe=lambda name, x: bool(outputs.update({name: x[0]})))
        return torch.stack([outputs[name] for name in self.layers], dim=1)

    def _open(self, device: str) -> TappedModel:
        """The frozen network on the device that the recogniser is on. No part of this module: it is not saved."""
        if device not in self._opened:
            self._opened[device] = open_model(self.model, device)
        return self._opened[device]


def register() -> None:
    """Make the front end known to ESPnet's recognition task, as ESPnet's own are: by its name."""
    from espnet2.tasks.asr import frontend_choices

    frontend_choices.classes[NAME] = LayersFrontend


def layers_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The layers that are weighted: the Transformer's input and its blocks; or the one tap of a baseline."""
    return tuple(name for name in names if name.isdigit()) or names


def stored(model: TappedModel, samples: np.ndarray) -> np.ndarray:
    """The layers that are weighted, of samples [S] in +-1, side by side: float32 [T, K D]."""
    seen = model.taps(samples)
    return np.concatenate([seen[name] for name in layers_of(model.names)], axis=1)


def width_of(model: TappedModel) -> int:
    """D, the channels of each of its layers, seen on a second of noise."""
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32) / 100
    return model.tap(noise, layers_of(model.names)[0]).shape[1]
