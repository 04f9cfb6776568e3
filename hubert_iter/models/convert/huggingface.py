"""Our models as folders for Hugging Face's from_pretrained; transformers itself is not needed to write them."""

import json
from pathlib import Path

from safetensors.torch import save

from hubert_iter import __version__
from hubert_iter.frames import SAMPLE_RATE
from hubert_iter.models.convert import HUGGINGFACE, names
from hubert_iter.models.pretrainer import Pretrainer
from hubert_iter.models.settings import KERNELS, STRIDES, EncoderConfig

USAGE = """\
## How to load

```python
import soundfile
from transformers import AutoFeatureExtractor, AutoModel

folder = "."    # where this file is; or the name of its repository on the hub
samples, rate = soundfile.read("speech.wav", dtype="float32")    # 16 kHz, one channel, in +-1
extractor = AutoFeatureExtractor.from_pretrained(folder)
model = AutoModel.from_pretrained(folder).eval()    # weights of a {kind}
inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")    # does not normalise them
layers = model(**inputs, output_hidden_states=True).hidden_states    # 0: Transformer input; 1 to {layers}: its blocks
```

A frame lasts 20 ms: frame t sees samples 320 t to 320 t + 399.

ESPnet reads it with `frontend: huggingface`, `frontend_conf: {{model: PATH OF THIS FOLDER}}`.

## Padding

Run utterances one by one, or batches of utterances of one length. The model was trained without padding and attention
masks, and its first convolution is normalised over all of its input (`feat_extract_norm: group`), so that padding
changes every layer of the shorter utterances. Utterances of 2 to 3 s, padded with zeros, through a model of the mini
recipe, largest difference in the last layer (whose values have a standard deviation of 1):

| padded to | without `attention_mask` | with `attention_mask` |
| --- | --- | --- |
| 1.05 times the length | 4.0 | 0.6 |
| 1.25 times | 4.9 | 3.4 |
| 2 times | 7.1 | 8.5 |

So an `attention_mask` does not make up for padding. ESPnet pads batches: there too give it batches of one length.
"""


def write(folder: Path, model: Pretrainer, facts: dict[str, str]) -> str:
    """Write weights, config.json and preprocessor_config.json; returns how to load them, for the model card."""
    encoder = model.encoder
    state = names.export_state(encoder.state_dict(), HUGGINGFACE)
    config = {"model_type": "hubert", "architectures": ["HubertModel"]} | configuration(encoder.config)
    kind = "HubertModel"
    if head := model.objective and model.objective.huggingface():
        kind = head.note
        config |= head.config
        state = {f"{config['model_type']}.{name}": value for name, value in state.items()} | names.copies(head.weights)
    # Which model this is, for k-means of its layers: transformers keeps what it does not know.
    config["hubert_iter"] = {"model": facts["identity"], "version": __version__}
    # By way of bytes: safetensors' own file is readable by its owner alone, whatever the umask.
    (folder / "model.safetensors").write_bytes(save(state, metadata={"format": "pt"}))
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")
    return USAGE.format(kind=kind, layers=encoder.config.layers)


PREPROCESSOR = {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "feature_size": 1,
    "sampling_rate": SAMPLE_RATE,
    "do_normalize": False,
    "padding_value": 0.0,
    "padding_side": "right",
    "return_attention_mask": False,
}


def configuration(config: EncoderConfig) -> dict:
    """The fields of HubertConfig and Wav2Vec2Config that differ from their defaults, or might one day."""
    return {
        "dtype": "float32",
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.feedforward,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "do_stable_layer_norm": False,
        "feat_extract_norm": "group",
        "feat_extract_activation": "gelu",
        "feat_proj_layer_norm": True,
        "conv_dim": list(config.channels),
        "conv_kernel": list(KERNELS),
        "conv_stride": list(STRIDES),
        "conv_bias": False,
        "num_feat_extract_layers": len(KERNELS),
        "num_conv_pos_embeddings": config.position_kernel,
        "num_conv_pos_embedding_groups": config.position_groups,
        "conv_pos_batch_norm": False,
        "hidden_dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "activation_dropout": config.activation_dropout,
        "feat_proj_dropout": config.input_dropout,
        "layerdrop": config.layerdrop,
        "final_dropout": 0.0,
        # For fine-tuning; above 0 so that the model has a place for the learnt mask vector.
        "mask_time_prob": 0.05,
        "mask_time_length": 10,
        "mask_feature_prob": 0.0,
    }
