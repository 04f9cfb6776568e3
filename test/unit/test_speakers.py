"""Scores with an evaluation speaker left out."""

import numpy as np
import pytest
from scored import cca_task, score, write_layers, write_samples

from hubert_iter.analysis import cca, folds, sample
from hubert_iter.analysis.left_out import speaker_groups
from hubert_iter.analysis.measures import probe
from hubert_iter.analysis.measures.cca import Settings, score_features
from hubert_iter.analysis.sample import Span
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError

SETTINGS = Settings(regularisers=(1e-4, 1e-2), control=False)


def spoken(num_classes=8, per_class=50, dimension=20, speakers=6, seed=0):
    """Features with class means that differ between speakers: float32 [N, D], labels [N], speakers [N]."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_classes), per_class)
    who = generator.integers(speakers, size=len(labels))
    means = generator.standard_normal((num_classes, dimension))[labels]
    own = 0.7 * generator.standard_normal((speakers, num_classes, dimension))[who, labels]
    return (means + own + generator.standard_normal((len(labels), dimension))).astype(np.float32), labels, who


def removed(features, labels, who, speaker, dev, test, regulariser):
    """PWCCA of the test part without a speaker's rows; weights of the train part, alpha of the whole test part."""
    parts = folds.deal(labels, "phone", 0, 0)
    layer = cca.Layer(features, labels, parts, int(labels.max()) + 1)
    train = layer.train(dev, test)
    label_whitener = cca.LabelWhitener(train.frequencies, train.label_scale, regulariser)
    weights = cca.solve(cca.Whitener(train.features, regulariser), label_whitener, train.cross)
    alpha = cca.projection_weights(weights.labels, np.bincount(labels[parts == test], minlength=len(weights.labels)))
    kept = who[parts == test] != speaker
    left = layer.features[test][kept] @ weights.features
    right = weights.labels[layer.labels.parts[test][kept]]
    correlations = [np.corrcoef(*pair)[0, 1] for pair in zip(left.T, right.T, strict=True)]
    return len(alpha) / len(weights.labels) * float(alpha @ correlations / alpha.sum())


def test_leaving_a_speaker_out_is_removing_their_rows():
    features, labels, who = spoken()
    plain = score_features(features, cca_task(labels, SETTINGS, 2))
    found = score_features(features, cca_task(labels, SETTINGS, 2, groups=who, num_groups=7))  # nobody is the seventh
    for trial, (result, before) in enumerate(zip(found, plain, strict=True)):
        assert result.score == before.score and result.regulariser == before.regulariser
        for speaker in range(7):
            direct = removed(features, labels, who, speaker, 2 * trial, 2 * trial + 1, result.regulariser)
            assert result.without[speaker] == pytest.approx(direct, abs=1e-12)
        assert result.without[6] == pytest.approx(result.score.pwcca, abs=1e-12)
        assert len({round(value, 9) for value in result.without}) == 7


def test_constant_variates_and_single_speakers_score_zero():
    weights = cca.Weights(np.ones((1, 1)), np.array([[0.1], [0.3]]))
    features = np.array([[1.0], [2.0], [2.5], [4.0]])
    labels = np.array([0, 0, 1, 0])
    score, without = cca.evaluate_without(weights, features, labels, np.array([0, 0, 1, 0]), 2)
    assert score == cca.evaluate(weights, features, labels)
    np.testing.assert_array_equal(without, [0, 0])  # one row, and rows of one class


def test_speakers_are_left_out_one_by_one_up_to_fifty():
    few = [f"s{number}" for number in range(50)]
    assert speaker_groups(few, 0) == {name: name for name in few}
    many = [f"s{number:03d}" for number in range(120)]
    groups = speaker_groups(many, 0)
    assert groups == speaker_groups(reversed(many), 0) != speaker_groups(many, 1)
    sizes = np.unique(list(groups.values()), return_counts=True)[1]
    assert len(sizes) == 50 and set(sizes) == {2, 3}


@pytest.fixture
def root(tmp_path):
    """Two sample sets and two taps of the same features, and their segments."""
    features, labels, who = spoken()
    spans = [
        Span(f"u{speaker}", index, index + 1, f"p{label}")
        for index, (label, speaker) in enumerate(zip(labels, who, strict=True))
    ]
    write_samples(tmp_path, {("phone", number): spans for number in range(2)}, {f"u{n}": f"spk{n}" for n in range(6)})
    both = np.stack([features, features[:, ::-1]])
    write_layers(tmp_path, {f"phone.{number}": both for number in range(2)}, ("0", "1"))
    return tmp_path


def test_speakers_table_holds_the_mean_over_sets_and_trials(root):
    found = score("cca", root, SETTINGS, trials=2)
    places = [(row.layer, row.prop, row.metric, row.speaker) for row in found.speakers]
    assert places == [(tap, "phone", "pwcca", f"spk{speaker}") for tap in "01" for speaker in range(6)]
    features, labels, who = spoken()
    tasks = [cca_task(labels, SETTINGS, 2, sample_set=number, groups=who, num_groups=6) for number in range(2)]
    expected = np.mean([result.without for task in tasks for result in score_features(features, task)], axis=0)
    np.testing.assert_allclose([row.value for row in found.speakers if row.layer == "0"], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["cca", "probe"])
def test_of_one_speaker_no_score_is_left_and_the_others_stay(root, name):
    settings = SETTINGS if name == "cca" else probe.Settings(penalties=(0.01,), control=False)
    sample.write_speakers(root / "samples", [Utterance(f"u{n}", "alone", 16000, "-") for n in range(6)])
    found = score(name, root, settings, trials=2)
    assert not found.speakers and found.rows


def test_an_utterance_of_nobody_is_refused(root):
    sample.write_speakers(root / "samples", [Utterance(name, name, 16000, "-") for name in ("u1", "u2")])
    with pytest.raises(UserError, match="utterance u[0345]: expected its speaker"):
        score("cca", root, SETTINGS, trials=2)


def test_speakers_are_written_beside_the_samples(tmp_path):
    with pytest.raises(UserError, match=r"Run sample_segments \(stage 8\) again"):
        sample.read_speakers(tmp_path)
    sample.write_speakers(tmp_path, [Utterance("a-1", "a", 16000, "-"), Utterance("b-1", "b", 16000, "-")])
    assert sample.read_speakers(tmp_path) == {"a-1": "a", "b-1": "b"}
    path = tmp_path / sample.SPEAKERS_FILE
    path.write_text(path.read_text() + "c-1\n")
    with pytest.raises(UserError, match=r"speakers.tsv:4: expected an utterance and its speaker, found 'c-1'"):
        sample.read_speakers(tmp_path)
    path.write_text("utterance\n")
    with pytest.raises(UserError, match=r"speakers.tsv:1: expected the columns utterance speaker"):
        sample.read_speakers(tmp_path)
