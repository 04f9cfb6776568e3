"""Layers of models that were trained elsewhere: Hugging Face, torchaudio or fairseq checkpoints.

The library's own network runs; its layers are seen through hooks. Taps are named as in our models: "conv" (projected
convolution output), "0" (what enters the first block), "1" to "L" (each block's output). In post-LN models "0" follows
positions and LayerNorm. Pre-LN models (LARGE) normalise inside the blocks and once after the last, which belongs to no
block: their taps are the residual stream. fairseq checkpoints run in torchaudio's model, the same network.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hubert_iter import provenance
from hubert_iter.errors import UserError, nearest, summarise
from hubert_iter.feats.taps import TappedModel
from hubert_iter.frames import FRAME_LENGTH, FRAME_RATE, FRAME_SHIFT, SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)
# transformers' families with the encoder's usual parts (feature_projection, encoder.layers) and 50 frames a second.
FAMILIES = ("hubert", "wav2vec2", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat")
INSTALL = 'transformers is not installed. Install it: pip install "transformers>=4.40"'
SUFFIXES = (".pt", ".pth", ".bin", ".th", ".safetensors")


class _Enough(Exception):  # noqa: N818 - not an error
    """Raised by a hook when the tap that is asked for has been seen."""


class ForeignModel(TappedModel):
    """Another library's model with the interface of feats.layers.LayerModel."""

    rate = FRAME_RATE

    def __init__(self, model, projection, blocks, prepare: Callable, description: dict, device: str):
        """`projection` and `blocks` are modules of `model`; `prepare` makes samples [S] into its input [1, S]."""
        import torch

        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.description = description
        self.names = ("conv", *(str(number) for number in range(len(blocks) + 1)))
        self._prepare = prepare
        # Each thread's own: several may run the model at once, on an utterance each.
        self._seen = threading.local()
        projection.register_forward_hook(lambda module, given, result: self._see("conv", result))
        blocks[0].register_forward_pre_hook(
            lambda module, given, named: self._see("0", given or named["hidden_states"]), with_kwargs=True
        )
        for number, block in enumerate(blocks, start=1):
            block.register_forward_hook(lambda module, given, result, name=str(number): self._see(name, result))

    def _see(self, name: str, result) -> None:
        observe = getattr(self._seen, "by", None)
        if observe is not None:
            x = result[0] if isinstance(result, tuple) else result
            # A copy: some models write into their hidden states later.
            if observe(name, x[0].float().cpu().numpy().copy()):
                raise _Enough

    def _run(self, samples: "np.ndarray", observe: Callable) -> None:
        import numpy as np
        import torch

        self._seen.by = observe
        try:
            with torch.inference_mode():
                self.model(self._prepare(np.ascontiguousarray(samples, np.float32)).to(self.device))
        except _Enough:
            pass
        finally:
            self._seen.by = None


def locate(spec: str | Path) -> Path:
    """The file or folder that a model's name means: a path as it is, a bundle's or a hub model's downloaded copy.

    A library before the name ("hf:", "torchaudio:", "fairseq:") is for people: what is there says which it is.
    """
    spec = str(spec).removeprefix("hf:").removeprefix("torchaudio:").removeprefix("fairseq:")
    path = Path(spec)
    if path.exists():
        return path
    name = str(spec)
    if path.suffix in SUFFIXES or name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise UserError(f"{spec}: no such model file or folder. Get it or train it first (stage 7), or mend the path")
    if name.replace("_", "").isalnum() and name.upper() == name:
        return _bundle_file(name)
    if name.count("/") == 1:
        return _hub_folder(name)
    raise UserError(
        f"{spec}: neither a file nor a folder, nor the name of a torchaudio bundle (as HUBERT_BASE) or of a model on "
        "the Hugging Face hub (as facebook/hubert-base-ls960). Train it first (stage 7), or mend the name"
    )


def open_foreign(spec: str | Path, device: str = "cpu") -> ForeignModel:
    """Open a Hugging Face folder, a torchaudio state dict, a fairseq checkpoint, or what `locate` finds by name."""
    path = locate(spec)
    identity = {"id": provenance.identity(path), "path": str(path)}
    if path.is_dir():
        if (path / "config.json").is_file():
            return _open_huggingface(path, identity, device)
        exported = [path / name for name in ("model.pt", "model.pth") if (path / name).is_file()]
        if not exported:
            raise UserError(
                f"{path}: holds no model: expected model.yaml (ours), config.json (Hugging Face) or model.pt "
                "(torchaudio, fairseq)"
            )
        path = exported[0]
    return _open_file(path, identity, device)


def _open_file(path: Path, identity: dict, device: str) -> ForeignModel:
    import torch

    from hubert_iter.models.convert import fairseq, tensors, torchaudio

    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: expected a checkpoint ({', '.join(SUFFIXES)}) or a model's folder")
    content = tensors.read(path)
    if "model" in content and isinstance(content["model"], dict):
        library = "fairseq"
        model, normalise = fairseq.build(content, path)
    else:
        library = "torchaudio"
        state = content.get("state_dict", content)
        state = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
        model, normalise = torchaudio.build(
            fairseq.strip_prefix(state, "feature_extractor.conv_layers.0.conv.weight"), path
        )
    convs = model.feature_extractor.conv_layers
    _check_frames([conv.kernel_size for conv in convs], [conv.stride for conv in convs], path)

    def prepare(samples: "np.ndarray") -> torch.Tensor:
        wave = torch.from_numpy(samples)[None]
        return torch.nn.functional.layer_norm(wave, wave.shape) if normalise else wave

    description = {"library": library, "normalise": normalise, **identity}
    return ForeignModel(
        model, model.encoder.feature_projection, model.encoder.transformer.layers, prepare, description, device
    )


def _open_huggingface(path: Path, identity: dict, device: str) -> ForeignModel:
    transformers = _transformers()
    try:
        config = transformers.AutoConfig.from_pretrained(path, local_files_only=True)
        if config.model_type not in FAMILIES:
            raise UserError(f"{path}: expected a model of type {', '.join(FAMILIES)}, found {config.model_type}")
        model, loading = transformers.AutoModel.from_pretrained(path, local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: transformers cannot load it: {error}") from None
    # transformers fills missing weights at random and goes on; for scores that would be a silent fault.
    missing = [name for name in loading["missing_keys"] if not name.endswith("masked_spec_embed")]
    if missing or loading["mismatched_keys"]:
        faulty = missing or [str(key) for key in loading["mismatched_keys"]]
        raise UserError(f"{path}: weights missing or misshaped: {summarise(sorted(faulty))}. Get the model again")
    _check_frames(config.conv_kernel, config.conv_stride, path)
    extractor = _extractor(transformers, path, config)
    description = {"library": "transformers", "normalise": bool(extractor.do_normalize), **identity}

    def prepare(samples: "np.ndarray"):
        return extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_values

    return ForeignModel(model, model.feature_projection, model.encoder.layers, prepare, description, device)


def _extractor(transformers, path: Path, config):
    """Prepares audio as the model's preprocessor_config.json says."""
    kind = transformers.Wav2Vec2FeatureExtractor
    if (path / "preprocessor_config.json").is_file():
        extractor = kind.from_pretrained(path, local_files_only=True)
    else:
        extractor = kind(do_normalize=config.feat_extract_norm == "layer")
        log.warning(
            "%s has no preprocessor_config.json: taken is audio %s, as usual for a feature extractor with %s norm",
            path, "normalised" if extractor.do_normalize else "as it is", config.feat_extract_norm,
        )  # fmt: skip
    if extractor.sampling_rate != SAMPLE_RATE:
        raise UserError(f"{path}: expected a model for {SAMPLE_RATE} Hz, found {extractor.sampling_rate} Hz")
    return extractor


def _transformers():
    try:
        import transformers
    except ImportError:
        raise UserError(INSTALL) from None
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _check_frames(kernels, strides, path: Path) -> None:
    """Refuse a model whose frames are not ours: segments and labels would be taken from other places."""
    length, shift = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        length += (kernel - 1) * shift
        shift *= stride
    if (length, shift) != (FRAME_LENGTH, FRAME_SHIFT):
        raise UserError(
            f"{path}: expected frames of {FRAME_LENGTH} samples every {FRAME_SHIFT}, found {length} every {shift}"
        )


def _bundle_file(name: str) -> Path:
    """The weights of a torchaudio bundle, downloaded once into PyTorch's cache."""
    import torch

    from hubert_iter.models.convert.torchaudio import bundles

    known = bundles()
    if name not in known:
        raise UserError(f"no model file and no torchaudio bundle '{name}'{nearest(name, known)}")
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(known[name]._path).name
    if not path.is_file():
        log.info("downloading %s to %s", name, path)
        try:
            known[name].get_model()
        except OSError as error:
            raise UserError(
                f"{name}: cannot be downloaded ({error}). Without a connection, put "
                f"https://download.pytorch.org/torchaudio/models/{known[name]._path} at {path}"
            ) from None
    return path


def _hub_folder(name: str) -> Path:
    """A model of the Hugging Face hub, downloaded once into its cache; without a connection what is there."""
    _transformers()
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors"]
    try:
        folder = Path(snapshot_download(name, allow_patterns=wanted))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=[*wanted, "pytorch_model*.bin"]))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name}: no such file or folder, and it cannot be fetched from the Hugging Face hub "
            f"({str(error).splitlines()[0]}). Without a connection, give the path of a downloaded folder"
        ) from None
    return folder
