"""Phone ABX on planted frames: known errors, the same tokens for all, clear faults. Scores need fastabx."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import write_noise

from hubert_iter import frames
from hubert_iter.analysis import pool, tokens
from hubert_iter.analysis.measure import FACT, Material
from hubert_iter.analysis.measures import abx
from hubert_iter.analysis.parallel import Workers
from hubert_iter.data import alignment, datadir
from hubert_iter.data.alignment import Segment
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError

PHONES = ("aa", "b", "k", "s")
SPEAKERS = ("s0", "s1", "s2")


def made_up(repeats: int = 6, seed: int = 0) -> list[tokens.Token]:
    """Each phone by each speaker, with 1 to 5 frames, in the same or another context."""
    generator = np.random.default_rng(seed)
    out, start = [], 0
    for number in range(repeats):
        for speaker in SPEAKERS:
            for phone in PHONES:
                length = int(generator.integers(1, 6))
                context = ("m", "n")[number % 2], ("t", "d")[int(generator.integers(2))]
                out.append(tokens.Token(f"u{number}", start, start + length, phone, *context, speaker))
                start += length
    return sorted(out)


def frames_of(drawn, code) -> np.ndarray:
    """code(token, generator) [width] for each frame of each token, a little noise on it."""
    generator = np.random.default_rng(1)
    rows = [code(token, generator) for token in drawn for _frame in range(token.end - token.start)]
    return np.asarray(rows, np.float32)


def layer_errors(tmp_path, drawn, frames, **settings) -> dict[str, dict[str | None, float]]:
    """Of each condition: of all under None, without each speaker under the speaker's name."""
    np.save(tmp_path / "0.npy", frames)
    settings = abx.Settings(**settings)
    conditions = tuple(abx.count(drawn, settings, 0))
    return abx.score_layer(abx.Layer(tmp_path / "0.npy", tuple(drawn), conditions, settings, 0))


def errors(tmp_path, drawn, frames, **settings) -> dict[str, float]:
    found = layer_errors(tmp_path, drawn, frames, **settings)
    return {condition: values[None] for condition, values in found.items()}


def one_hot(names, name, size: float = 1.0) -> np.ndarray:
    return size * (np.asarray(names) == name)


def noise(generator) -> np.ndarray:
    return 0.05 * generator.standard_normal(len(PHONES) + len(SPEAKERS))


def both(token, generator, phone: float, speaker: float) -> np.ndarray:
    parts = one_hot(PHONES, token.phone, phone), one_hot(SPEAKERS, token.speaker, speaker)
    return np.concatenate(parts) + noise(generator)


class TestErrors:
    @pytest.fixture(autouse=True)
    def _fastabx(self):
        pytest.importorskip("fastabx")

    @pytest.mark.parametrize("context", ["any", "within"])
    @pytest.mark.parametrize("distance", ["angular", "euclidean"])
    def test_phones_are_told_apart(self, tmp_path, context, distance):
        drawn = made_up(12)
        frames = frames_of(drawn, lambda token, generator: both(token, generator, 1.0, 0.3))
        assert errors(tmp_path, drawn, frames, context=context, distance=distance) == {"within": 0.0, "across": 0.0}

    def test_noise_is_at_chance(self, tmp_path):
        drawn = made_up(10)
        frames = frames_of(drawn, lambda token, generator: generator.standard_normal(20))
        for error in errors(tmp_path, drawn, frames).values():
            assert error == pytest.approx(0.5, abs=0.05)

    def test_voices_alone_are_at_chance(self, tmp_path):
        drawn = made_up(10)
        frames = frames_of(drawn, lambda token, generator: both(token, generator, 0.0, 1.0))
        for error in errors(tmp_path, drawn, frames).values():
            assert error == pytest.approx(0.5, abs=0.07)

    def test_a_code_of_each_speaker_fails_across_speakers(self, tmp_path):
        """Each speaker's phones are another's in turn: within speakers all is clear, across speakers it misleads."""

        def code(token, generator):
            turned = PHONES[(PHONES.index(token.phone) + SPEAKERS.index(token.speaker)) % len(PHONES)]
            return np.concatenate([one_hot(PHONES, turned), np.zeros(len(SPEAKERS))]) + noise(generator)

        drawn = made_up(10)
        found = errors(tmp_path, drawn, frames_of(drawn, code))
        assert found["within"] == 0.0 and found["across"] > 0.5

    def test_one_speaker_has_no_across(self, tmp_path, caplog):
        drawn = [token for token in made_up(6) if token.speaker == "s1"]
        frames = frames_of(drawn, lambda token, generator: both(token, generator, 1.0, 0.0))
        assert errors(tmp_path, drawn, frames) == {"within": 0.0}
        assert "ABX across speakers is left out" in caplog.text

    def test_one_speaker_s_confusion_is_gone_without_them(self, tmp_path):
        """s1 says all phones alike: chance within s1, and no error is left where s1 is left out."""

        def code(token, generator):
            return both(token, generator, 0.0 if token.speaker == "s1" else 1.0, 0.3)

        drawn = made_up(10)
        found = layer_errors(tmp_path, drawn, frames_of(drawn, code))
        assert found["within"][None] == pytest.approx(0.5 / len(SPEAKERS), abs=0.03)
        assert found["within"]["s1"] == found["across"]["s1"] == 0.0
        for speaker in ("s0", "s2"):
            assert found["within"][speaker] == pytest.approx(0.5 / 2, abs=0.04)
            assert found["across"][speaker] > found["across"][None]

    @pytest.mark.parametrize("context", ["any", "within"])
    def test_too_few_tokens(self, context):
        settings = abx.Settings(context=context)
        for drawn in ([], made_up(1)[:1], [token for token in made_up(5) if token.phone == "k"]):
            with pytest.raises(UserError, match=r"make no triple\. Expected a speaker with two tokens") as error:
                abx.count(drawn, settings, 0)
            assert ("context: any in the analysis" in str(error.value)) == (context == "within")


def test_frames_are_those_with_their_centre_inside():
    # Centres lie at 12.5 ms, 32.5 ms, 52.5 ms ...
    assert frames.centred(0.0, 0.02, 99) == (0, 1)
    assert frames.centred(0.0125, 0.0325, 99) == (0, 1)
    assert frames.centred(0.013, 0.033, 99) == (1, 2)
    assert frames.centred(0.013, 0.032, 99) == (1, 1)
    assert frames.centred(1.9, 2.3, 99) == (95, 99)


def test_tokens_know_their_neighbours_and_have_frames():
    times = [("sh", 0.1, 0.2), ("iy", 0.2, 0.3), ("x", 0.3, 0.305), ("k", 0.4, 0.5)]
    segments = [Segment("u", start, end, label) for label, start, end in times]
    found = tokens.find([Utterance("u", "spk", 16000, "-")], {"u": segments})
    assert [(token.phone, token.before, token.after) for token in found] == [
        ("sh", "sil", "iy"),
        ("iy", "sh", "x"),
        ("k", "sil", "sil"),
    ]
    assert [(token.start, token.end) for token in found] == [(5, 10), (10, 15), (20, 25)]


def test_draws_are_capped_repeatable_and_independent_of_other_speakers():
    everything = made_up(30)
    drawn = tokens.draw(everything, 7, seed=3)
    assert drawn == tokens.draw(everything[::-1], 7, seed=3) == sorted(drawn)
    assert drawn != tokens.draw(everything, 7, seed=4)
    assert len(drawn) == 7 * len(PHONES) * len(SPEAKERS)
    alone = tokens.draw([token for token in everything if token.speaker == "s2"], 7, seed=3)
    assert alone == [token for token in drawn if token.speaker == "s2"]


def test_in_context_the_cap_is_per_context_and_lonely_contexts_are_left_out():
    everything = made_up(30)
    lonely = tokens.Token("z", 0, 3, "aa", "zh", "zh", "s0")
    drawn = tokens.draw([*everything, lonely], 2, seed=0, in_context=True)
    assert lonely not in drawn
    groups = {}
    for token in drawn:
        groups.setdefault((token.speaker, token.phone, token.context), []).append(token)
    assert len(groups) == 4 * len(PHONES) * len(SPEAKERS) and {len(group) for group in groups.values()} == {2}


class FakeModel:
    """Two taps of different width; their values say which utterance and frame they are of."""

    description = {"updates": 7}

    def __init__(self, spoil: str = "", missing: int = 0):
        self.spoil, self.missing = spoil, missing

    def taps(self, samples):
        frames = (len(samples) - 400) // 320 + 1 - self.missing
        count = np.arange(frames, dtype=np.float32)[:, None]
        outputs = {"conv": count + np.float32(len(samples)), "0": np.concatenate([count, -count], axis=1)}
        if self.spoil:
            outputs[self.spoil][2] = np.inf
        return outputs


DATA = datadir.DataDir("data", tuple(Utterance(f"u{n}", "s", 16000 * (n + 1), "-") for n in range(2)), {})
CHOSEN = [
    tokens.Token("u0", 3, 5, "aa", "b", "b", "s"),
    tokens.Token("u1", 0, 1, "aa", "b", "b", "s"),
    tokens.Token("u1", 90, 99, "b", "b", "b", "s"),
]


def silence(utterance):
    return np.zeros(utterance.num_samples, np.float32)


def test_frames_stand_one_token_after_the_other(tmp_path):
    assert tokens.write_frames(FakeModel(), DATA, CHOSEN, tmp_path, silence) == ("conv", "0")
    wanted = [3, 4, 0, *range(90, 99)]
    np.testing.assert_array_equal(np.load(tmp_path / "0.npy")[:, 0], wanted)
    lengths = np.repeat([16000, 32000], [2, 10])
    np.testing.assert_array_equal(np.load(tmp_path / "conv.npy")[:, 0], wanted + lengths)
    np.testing.assert_array_equal(tokens.bounds(CHOSEN), [0, 2, 3, 12])


def test_faults_of_a_model_name_the_utterance(tmp_path):
    with pytest.raises(UserError, match="utterance u0: tap 0: expected numbers"):
        tokens.write_frames(FakeModel("0"), DATA, CHOSEN, tmp_path, silence)
    with pytest.raises(UserError, match="utterance u1: tap conv: expected at least 99 frames, the model gave 95"):
        tokens.write_frames(FakeModel(missing=4), DATA, CHOSEN, tmp_path, silence)


@pytest.fixture
def material(tmp_path, monkeypatch):
    """A function of the number of processes: a model whose frames are noise, on three speakers' made-up alignments."""
    write_noise(tmp_path / "eval", 9, 2.0, 0)
    data = datadir.read(tmp_path / "eval")
    segments = [
        Segment(utterance.id, 0.1 * number, 0.1 * (number + 1), PHONES[(number + place) % len(PHONES)])
        for place, utterance in enumerate(data.utterances)
        for number in range(int(10 * utterance.num_samples / 16000) - 1)
    ]
    (tmp_path / "alignments").mkdir()
    alignment.write_ctm(tmp_path / "alignments/phones.ctm", segments)
    monkeypatch.setattr("hubert_iter.feats.layers.open_model", lambda path: FakeModel())

    def of(workers: Workers) -> Material:
        layers = pool.Layers(Path("not pooled"), ("conv", "0"), 7, "run")
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        folders = {"model": tmp_path / "model", "data": tmp_path / "eval", "alignments": tmp_path / "alignments"}
        return Material(layers, Path("no samples"), workers, scratch=scratch, **folders)

    return of


def test_the_measure(material, tmp_path):
    pytest.importorskip("fastabx")
    with Workers(1) as workers:
        given = material(workers)
        found = abx.Abx().score(given, abx.Settings())
    metrics = [(row.layer, row.metric) for row in found.rows]
    assert metrics[:4] == [(tap, f"abx_{name}") for tap in ("conv", "0") for name in abx.CONDITIONS]
    assert all(0 <= row.value <= 1 for row in found.rows[:4]) and {row.prop for row in found.rows} == {"phone"}
    facts = {row.metric: row.value for row in found.rows if row.layer == FACT}
    assert facts["abx_phones"] == 4 and facts["abx_speakers"] == 3 and facts["abx_tokens"] <= 120
    assert facts["abx_across_triples"] > facts["abx_within_triples"] > 0 and facts["chance"] == 0.5
    places = [(row.layer, row.metric, row.speaker) for row in found.speakers]
    speakers = sorted({utterance.speaker for utterance in datadir.read(tmp_path / "eval").utterances})
    assert places == [(*metric, speaker) for metric in metrics[:4] for speaker in speakers]
    assert list(given.scratch.iterdir()) == []
    with Workers(2) as workers:
        assert abx.Abx().score(material(workers), abx.Settings()) == found
    # What tokens are drawn from and what frames come from; a baseline has no model.
    assert set(abx.Abx().inputs(given)) == {"data", "alignments", "model"}
    assert set(abx.Abx().inputs(replace(given, model=None))) == {"data", "alignments"}


def test_without_fastabx(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastabx", None)
    with pytest.raises(UserError, match=r"needs fastabx.*tools/install.sh --extras test,abx.* without abx"):
        abx.Abx().check(abx.Settings())
