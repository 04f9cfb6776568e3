"""Scores with an evaluation speaker left out."""

import numpy as np
import pytest
from tiny import write_noise

from hubert_iter import provenance
from hubert_iter.analysis import cca, folds, pool, sample, scores, scoring
from hubert_iter.analysis.sample import Span
from hubert_iter.bin import sample_segments, score_cca
from hubert_iter.data import alignment, datadir
from hubert_iter.data.alignment import Segment
from hubert_iter.data.datadir import Utterance
from hubert_iter.errors import UserError

SETTINGS = scoring.Settings(trials=2, regularisers=(1e-4, 1e-2), null=False)


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
    parts = folds.deal(labels, "phone", 0, SETTINGS.seed)
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
    plain = scoring.score_features(features, labels, "phone", 0, SETTINGS)
    found = scoring.score_features(features, labels, "phone", 0, SETTINGS, who, 7)  # nobody is the seventh
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
    assert scoring.speaker_groups(few, 0) == {name: name for name in few}
    many = [f"s{number:03d}" for number in range(120)]
    groups = scoring.speaker_groups(many, 0)
    assert groups == scoring.speaker_groups(reversed(many), 0) != scoring.speaker_groups(many, 1)
    sizes = np.unique(list(groups.values()), return_counts=True)[1]
    assert len(sizes) == 50 and set(sizes) == {2, 3}


def stored(folder):
    features, labels, who = spoken()
    spans = [
        Span(f"u{speaker}", index, index + 1, f"p{label}")
        for index, (label, speaker) in enumerate(zip(labels, who, strict=True))
    ]
    samples = {("phone", number): spans for number in range(2)}
    for number in range(2):
        np.save(folder / f"phone.{number}.npy", np.stack([features, features[:, ::-1]]))
    (folder / pool.FILE_NAME).write_text('{"taps": ["0", "1"], "updates": 9, "name": "run", "model": {}}')
    return samples, {f"u{speaker}": f"spk{speaker}" for speaker in range(6)}


def test_speakers_table_holds_the_mean_over_sets_and_trials(tmp_path):
    samples, speakers = stored(tmp_path)
    rows, left_out = scoring.score_run(pool.read(tmp_path), samples, SETTINGS, 1, speakers)
    assert rows == scoring.score(pool.read(tmp_path), samples, SETTINGS, 1)
    assert [row[:6] for row in left_out] == [
        ("run", 9, tap, "phone", "pwcca", f"spk{speaker}") for tap in "01" for speaker in range(6)
    ]
    features, labels, who = spoken()
    results = [scoring.score_features(features, labels, "phone", number, SETTINGS, who, 6) for number in range(2)]
    expected = np.mean([result.without for results_of_set in results for result in results_of_set], axis=0)
    np.testing.assert_allclose([row[-1] for row in left_out if row[2] == "0"], expected, atol=1e-12)
    scores.write(tmp_path / scores.SPEAKERS_FILE, left_out, scores.SPEAKER_COLUMNS)
    lines = (tmp_path / scores.SPEAKERS_FILE).read_text().splitlines()
    assert lines[0].split("\t") == list(scores.SPEAKER_COLUMNS) and len(lines) == 13


def test_an_utterance_of_nobody_is_refused(tmp_path):
    samples, speakers = stored(tmp_path)
    del speakers["u3"]
    with pytest.raises(UserError, match="utterance u3: expected its speaker"):
        scoring.score_run(pool.read(tmp_path), samples, SETTINGS, 1, speakers)


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


def test_commands_pass_speakers_on_and_make_what_earlier_versions_did_not(tmp_path):
    write_noise(tmp_path / "data", 6, 2.0, 0)
    utterances = datadir.read(tmp_path / "data").utterances
    phones = [
        Segment(utterance.id, time, time + 0.1, "ab"[round(10 * time) % 2])
        for utterance in utterances
        for time in np.arange(0, 1.2, 0.1)
    ]
    (tmp_path / "ctm").mkdir()
    for name in ("phones", "words"):
        alignment.write_ctm(tmp_path / "ctm" / f"{name}.ctm", phones)
    (tmp_path / "text").write_text("x a b\n")
    options = ["--data", str(tmp_path / "data"), "--alignments", str(tmp_path / "ctm")]
    options += ["--train_text", str(tmp_path / "text"), "--out", str(tmp_path / "samples"), "--sample_sets", "1"]
    sample_segments.main(options)
    assert sample.read_speakers(tmp_path / "samples") == {utterance.id: utterance.speaker for utterance in utterances}
    (tmp_path / "layers").mkdir()
    for (prop, number), spans in sample.read(tmp_path / "samples").items():
        features = np.random.default_rng(0).standard_normal((1, len(spans), 4)).astype(np.float32)
        np.save(tmp_path / "layers" / f"{prop}.{number}.npy", features)
    (tmp_path / "layers" / pool.FILE_NAME).write_text('{"taps": ["0"], "updates": 9, "name": "run", "model": {}}')
    provenance.write(tmp_path / "layers", "pool_layers", {}, {"samples": tmp_path / "samples"})
    command = ["--name", "run", "--layers", str(tmp_path / "layers"), "--samples", str(tmp_path / "samples")]
    command += ["--out", str(tmp_path / "cca"), "--nj", "1"]
    table = tmp_path / "cca" / scores.SPEAKERS_FILE
    score_cca.main(command)
    first = table.read_text()
    assert len(first.splitlines()) > 3
    table.unlink()
    score_cca.main(command)
    assert table.read_text() == first
