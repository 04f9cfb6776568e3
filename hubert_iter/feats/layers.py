"""Layer outputs of a trained model, utterance by utterance, without masking or dropout."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hubert_iter import provenance
from hubert_iter.errors import UserError, nearest
from hubert_iter.feats.foreign import ForeignModel, open_foreign
from hubert_iter.models import store
from hubert_iter.models.encoder import Encoder


class LayerModel:
    """An encoder seen through its taps: "conv", "0" (Transformer input), "1" to "L" (block outputs)."""

    rate = 50
    """Frames per second."""

    def __init__(self, encoder: Encoder, description: dict, device: torch.device):
        self.encoder = encoder.to(device).eval()
        self.description = description
        self.device = device
        self.names = ("conv", *(str(number) for number in range(encoder.config.layers + 1)))

    def taps(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """Samples [S] in +-1 -> all taps [T, D] float32, in order."""
        seen: dict[str, np.ndarray] = {}

        def observe(name: str, x: Tensor) -> bool:
            seen[name] = x[0].float().cpu().numpy()
            return False

        self._run(samples, observe)
        return seen

    def tap(self, samples: np.ndarray, name: str) -> np.ndarray:
        """One tap [T, D]; later blocks are not computed."""
        self.check(name)
        seen: list[np.ndarray] = []

        def observe(current: str, x: Tensor) -> bool:
            if current == name:
                seen.append(x[0].float().cpu().numpy())
            return current == name

        self._run(samples, observe)
        return seen[0]

    def check(self, name: str) -> None:
        """Refuse a tap that the model does not have."""
        if name not in self.names:
            raise UserError(f"no tap '{name}'{nearest(name, self.names)}: this model has {', '.join(self.names)}")

    @torch.inference_mode()
    def _run(self, samples: np.ndarray, observe) -> None:
        wave = torch.from_numpy(np.ascontiguousarray(samples))[None].to(self.device)
        features, _ = self.encoder.frame_features(wave)
        self.encoder.transform(features, observe=observe)


def open_model(folder: str | Path, device: str = "cpu") -> LayerModel | ForeignModel:
    """Open a trained model (or a checkpoint of one) for its layers; what is none of ours is opened as foreign."""
    if not (Path(folder) / store.DESCRIPTION).is_file():
        return open_foreign(folder, device)
    description = store.describe(folder)
    if (Path(folder) / provenance.FILE_NAME).is_file():
        description = {**description, "id": provenance.identity(folder)}
    return LayerModel(store.read(folder).encoder, description, torch.device(device))
