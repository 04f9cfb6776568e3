"""Distances of tokens along the best path through their frames' distances, for fastabx, in a third of its time."""

import math

import numpy as np
import torch
from torchdtw import dtw_batch


class TokenDistance:
    """The distance of tokens that fastabx knows by their numbers: along the best path through their frames' distances.

    fastabx pads all tokens of a call to the longest one, and phones differ in length by a factor of ten: most of the
    frames that it compares are padding. Here each pair of frames is compared once, and only what is aligned together,
    sorted by length, is padded: the same numbers in a third of the time.
    """

    CHUNK = 48

    def __init__(self, frames: np.ndarray, places: np.ndarray, distance: str):
        """Frames [N, width] of all tokens, token i's from places[i] to places[i + 1]."""
        self._frames = torch.from_numpy(frames)
        self._angular = distance == "angular"
        if self._angular:
            self._frames = torch.nn.functional.normalize(self._frames, dim=1)
        self._starts = torch.from_numpy(places[:-1])
        self._lengths = torch.from_numpy(np.diff(places))

    def __call__(self, x, y):
        """Tokens [A, 1, 1] and [B, 1, 1] -> distances [A, B, 1, 1]."""
        first, second = x.flatten(), y.flatten()
        second = second[order := torch.argsort(self._lengths[second], stable=True)]
        table = self._compare(self._gather(first), self._gather(second))
        rows, row_lengths = self._places(first)
        rows_of_table = table.index_select(0, rows.flatten())
        out = table.new_empty(len(first), len(second))
        ends = torch.cumsum(self._lengths[second], 0)
        for start in range(0, len(second), self.CHUNK):
            chunk = slice(start, start + self.CHUNK)
            columns, column_lengths = self._places(second[chunk])
            columns += ends[start] - self._lengths[second[start]]
            lattice = rows_of_table.index_select(1, columns.flatten())
            lattice = lattice.view(*rows.shape, *columns.shape).transpose(1, 2)
            out[:, order[chunk]] = dtw_batch(lattice, row_lengths, column_lengths, symmetric=False)
        return out[:, :, None, None]

    def _gather(self, tokens):
        """The tokens' frames one after the other."""
        lengths = self._lengths[tokens]
        ends = torch.cumsum(lengths, 0)
        shifts = torch.repeat_interleave(self._starts[tokens] - (ends - lengths), lengths)
        return self._frames.index_select(0, torch.arange(int(ends[-1])) + shifts)

    def _places(self, tokens):
        """Where each token's frames stand among the gathered, [tokens, longest], the last one repeated; lengths."""
        lengths = self._lengths[tokens]
        inside = torch.minimum(torch.arange(int(lengths.max()))[None], lengths[:, None] - 1)
        return (torch.cumsum(lengths, 0) - lengths)[:, None] + inside, lengths

    def _compare(self, x, y):
        """Frames [M, width] and [N, width] -> distances [M, N]; angles as parts of a half turn."""
        if self._angular:
            return (x @ y.T).clamp_(-1, 1).acos_() / math.pi
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
