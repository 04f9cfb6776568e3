"""Small models of other libraries with random weights, made by those libraries."""

import pytest
import torch

LAYERS, WIDTH = 3, 128
CONVS = [(8, 10, 5), (12, 3, 2), (12, 3, 2), (16, 3, 2), (16, 3, 2), (24, 2, 2), (24, 2, 2)]


def shake(model):
    """Make every parameter random: LayerNorms and biases as well."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()


def huggingface(folder, family, large=False, normalise=False):
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(
        family, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=4, intermediate_size=48,
        conv_dim=[row[0] for row in CONVS], num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
        do_stable_layer_norm=large, feat_extract_norm="layer" if large else "group", conv_bias=large,
    )  # fmt: skip
    model = shake(transformers.AutoModel.from_config(config))
    model.save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise)
    extractor.save_pretrained(folder)
    return model, extractor


def torchaudio_arguments(large=False):
    return {
        "extractor_mode": "layer_norm" if large else "group_norm", "extractor_conv_layer_config": CONVS,
        "extractor_conv_bias": large, "encoder_embed_dim": WIDTH, "encoder_projection_dropout": 0.1,
        "encoder_pos_conv_kernel": 16, "encoder_pos_conv_groups": 4, "encoder_num_layers": LAYERS,
        "encoder_num_heads": 2, "encoder_attention_dropout": 0.1, "encoder_ff_interm_features": 48,
        "encoder_ff_interm_dropout": 0.0, "encoder_dropout": 0.1, "encoder_layer_norm_first": large,
        "encoder_layer_drop": 0.05, "aux_num_out": None,
    }  # fmt: skip
