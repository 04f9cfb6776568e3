"""torch.compile fuses parts of the encoder a few times, not once for each length of audio or each block."""

import pytest
import torch
from torch import nn
from trainings import MODEL

from hubert_iter.frames import num_frames
from hubert_iter.models.pretrainer import Batch, build


@pytest.mark.parametrize("layers", [2, 6])
def test_lengths_and_blocks_share_what_is_compiled(monkeypatch, layers):
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda part: compiled(part, backend=backend))
    torch._dynamo.reset()
    model = build({**MODEL, "layers": layers, "layerdrop": 0.3}, {"name": "hubert"}, 5, "test").train()
    model.encoder.compile()
    for number, samples in enumerate((16400, 19600, 24080, 32080, 17040, 48400)):
        model.encoder.layerdrop_seed = number
        labels = torch.zeros(2, num_frames(samples), dtype=torch.int64)
        model(Batch(torch.randn(2, samples), torch.arange(20).expand(2, 20), labels)).loss.backward()
    # Convolutions, positions, a block: each for the first length, and once more for any.
    assert len(graphs) == 6
