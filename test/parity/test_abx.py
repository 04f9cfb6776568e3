"""ABX against a computation by the definition, in plain numpy loops, and against fastabx left to itself."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from hubert_iter.analysis import tokens
from hubert_iter.analysis.measures import abx

fastabx = pytest.importorskip("fastabx")

PHONES, SPEAKERS = ("aa", "b", "k"), ("s0", "s1", "s2")


@pytest.fixture
def drawn() -> list[tokens.Token]:
    """Two to three tokens of each phone and speaker in two contexts, of 1 to 13 frames."""
    generator = np.random.default_rng(5)
    out, start = [], 0
    for speaker in SPEAKERS:
        for phone in PHONES:
            for context in (("m", "t"), ("m", "d")):
                for _token in range(int(generator.integers(2, 4))):
                    length = int(generator.integers(1, 14))
                    out.append(tokens.Token("u", start, start + length, phone, *context, speaker))
                    start += length
    return out


@pytest.fixture
def frames(drawn) -> list[np.ndarray]:
    """Noise with something of the phone in it: errors between 0 and chance."""
    generator = np.random.default_rng(6)
    means = {phone: 0.4 * generator.standard_normal(8) for phone in PHONES}
    return [means[t.phone] + generator.standard_normal((t.end - t.start, 8)) for t in drawn]


def angle(x: np.ndarray, y: np.ndarray) -> float:
    return math.acos(float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))) / math.pi


def warped(a: np.ndarray, b: np.ndarray, frame_distance) -> float:
    """The cheapest path's cost over its length, found by looking at all that may precede each pair of frames."""
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for i in range(len(a)):
        for j in range(len(b)):
            before = [best[place] for place in ((i - 1, j - 1), (i, j - 1), (i - 1, j)) if place in best]
            cost, length = min(before, key=lambda found: found[0], default=(0.0, 0))
            best[i, j] = cost + frame_distance(a[i], b[j]), length + 1
    cost, length = best[len(a) - 1, len(b) - 1]
    return cost / length


def by_definition(drawn, frames, condition: str, in_context: bool, frame_distance) -> float:
    """The mean over pairs of phones, of speakers, of contexts, of all triples."""
    cache: dict[tuple[int, int], float] = {}

    def distance(i: int, j: int) -> float:
        if (i, j) not in cache:
            cache[i, j] = warped(frames[i], frames[j], frame_distance)
        return cache[i, j]

    def those(phone, speaker, context):
        wanted = phone, speaker, context
        return [i for i, t in enumerate(drawn) if (t.phone, t.speaker, t.context if in_context else None) == wanted]

    contexts = sorted({token.context for token in drawn}) if in_context else [None]
    pairs = []
    for phone, other in permutations(PHONES, 2):
        speakers = []
        for speaker in SPEAKERS:
            over_contexts = []
            for context in contexts:
                a, b = those(phone, speaker, context), those(other, speaker, context)
                sources = [speaker] if condition == "within" else [name for name in SPEAKERS if name != speaker]
                for source in sources:
                    x = those(phone, source, context)
                    wrong = [
                        (distance(k, i) > distance(k, j)) + 0.5 * (distance(k, i) == distance(k, j))
                        for k in x
                        for i in a
                        for j in b
                        if i != k
                    ]
                    over_contexts.append(np.mean(wrong))
            speakers.append(np.mean(over_contexts))
        pairs.append(np.mean(speakers))
    return float(np.mean(pairs))


@pytest.mark.parametrize("context", ["any", "within"])
@pytest.mark.parametrize(
    ("distance", "frame_distance"), [("angular", angle), ("euclidean", lambda x, y: float(np.linalg.norm(x - y)))]
)
def test_agrees_with_the_definition(tmp_path, drawn, frames, context, distance, frame_distance):
    np.save(tmp_path / "0.npy", np.concatenate(frames).astype(np.float32))
    settings = abx.Settings(context=context, distance=distance, max_x_speakers=len(SPEAKERS))
    found = abx.score_layer(abx.Layer(tmp_path / "0.npy", tuple(drawn), abx.CONDITIONS, settings, 0))
    for condition in abx.CONDITIONS:
        expected = by_definition(drawn, frames, condition, context == "within", frame_distance)
        assert 0.05 < expected < 0.5
        assert found[condition][None] == pytest.approx(expected, abs=1e-6), condition


@pytest.mark.parametrize("context", ["any", "within"])
def test_leaving_a_speaker_out_is_scoring_without_their_tokens(tmp_path, drawn, frames, context):
    """Across speakers too, where all other speakers' X are compared: else the draw of these depends on who is there."""
    np.save(tmp_path / "0.npy", np.concatenate(frames).astype(np.float32))
    settings = abx.Settings(context=context, max_x_speakers=len(SPEAKERS))
    found = abx.score_layer(abx.Layer(tmp_path / "0.npy", tuple(drawn), abx.CONDITIONS, settings, 0))
    for speaker in SPEAKERS:
        kept = [(token, of) for token, of in zip(drawn, frames, strict=True) if token.speaker != speaker]
        rest, start = [], 0
        for token, _ in kept:
            rest.append(replace(token, start=start, end=start + token.end - token.start))
            start = rest[-1].end
        np.save(tmp_path / "rest.npy", np.concatenate([of for _, of in kept]).astype(np.float32))
        alone = abx.score_layer(abx.Layer(tmp_path / "rest.npy", tuple(rest), abx.CONDITIONS, settings, 0))
        for condition in abx.CONDITIONS:
            assert found[condition][speaker] == pytest.approx(alone[condition][None], abs=1e-6), condition
            assert found[condition][speaker] != pytest.approx(found[condition][None], abs=1e-3)


@pytest.mark.parametrize("distance", ["angular", "euclidean"])
def test_agrees_with_fastabx_on_padded_frames(tmp_path, drawn, frames, distance):
    """Our distance of tokens is fastabx's own."""
    import polars
    import torch

    np.save(tmp_path / "0.npy", np.concatenate(frames).astype(np.float32))
    layer = abx.Layer(tmp_path / "0.npy", tuple(drawn), ("within",), abx.Settings(distance=distance), 0)
    ours = abx.score_layer(layer)["within"][None]
    places = tokens.bounds(drawn).tolist()
    data = fastabx.Dataset(
        polars.DataFrame({"phone": [t.phone for t in drawn], "speaker": [t.speaker for t in drawn]}),
        fastabx.InMemoryAccessor(
            {i: (places[i], places[i + 1]) for i in range(len(drawn))},
            torch.from_numpy(np.load(tmp_path / "0.npy")),
            torch.device("cpu"),
        ),
    )
    task = fastabx.Task(data, on="phone", by=["speaker"])
    theirs = fastabx.Score(task, distance, progress=False).collapse(levels=["speaker"])
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_distances_do_not_depend_on_what_is_asked_together(drawn, frames):
    import torch

    from hubert_iter.analysis.token_distance import TokenDistance

    everything = np.concatenate(frames).astype(np.float32)
    distance = TokenDistance(everything, tokens.bounds(drawn), "angular")
    numbers = torch.arange(len(drawn))[:, None, None]
    together = distance(numbers, numbers.flip(0))[:, :, 0, 0].flip(1)
    for i, j in ((0, 1), (3, 20), (len(drawn) - 1, 0)):
        alone = distance(numbers[i : i + 1], numbers[j : j + 1]).item()
        assert together[i, j].item() == pytest.approx(alone, abs=1e-6)
        assert alone == pytest.approx(warped(frames[i], frames[j], angle), abs=1e-5)
