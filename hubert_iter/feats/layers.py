"""Layer outputs of a trained model, utterance by utterance, without masking or dropout."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hubert_iter import provenance
from hubert_iter.feats import batched
from hubert_iter.feats.baselines import BASELINES, FeatureModel
from hubert_iter.feats.foreign import open_foreign
from hubert_iter.feats.taps import TappedModel, Wanted
from hubert_iter.frames import FRAME_RATE
from hubert_iter.models import cpu, store
from hubert_iter.models.encoder import Encoder
from hubert_iter.models.gpu import require_gpu


class LayerModel(TappedModel):
    """An encoder seen through its taps: "conv", "0" (Transformer input), "1" to "L" (block outputs)."""

    rate = FRAME_RATE

    def __init__(self, encoder: Encoder, description: dict, device: torch.device):
        self.encoder = cpu.place(encoder, device).eval()
        self.description = description
        self.device = device
        self.names = encoder.config.taps

    @torch.inference_mode()
    def _run(self, samples: np.ndarray, observe) -> None:
        wave = torch.from_numpy(np.ascontiguousarray(samples))[None].to(self.device)
        features, _ = self.encoder.frame_features(wave)
        self.encoder.transform(features, observe=lambda name, x: observe(name, x[0].float().cpu().numpy()))

    @torch.inference_mode()
    def tap_of_many(self, waves: Sequence[np.ndarray], name: str) -> list[np.ndarray]:
        """All at once."""
        self.check(name)
        features = batched.frame_features(self.encoder, waves, self.device)
        wanted = Wanted(name)
        self.encoder.transform(features, observe=wanted)
        return list(wanted.value.float().cpu().numpy())


def open_model(folder: str | Path, device: str = "cpu") -> TappedModel:
    """Open a trained model (or a checkpoint of one) for its layers, or a baseline by its name.

    What is neither is opened as another library's.
    """
    if str(folder) in BASELINES:
        return FeatureModel(str(folder))
    if device == "cuda":
        require_gpu()
    if not (Path(folder) / store.DESCRIPTION).is_file():
        return open_foreign(folder, device)
    description = store.describe(folder)
    if (Path(folder) / provenance.FILE_NAME).is_file():
        description = {**description, "id": provenance.identity(folder)}
    return LayerModel(store.read(folder).encoder, description, torch.device(device))
