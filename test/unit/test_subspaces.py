"""How orthogonal the directions of speakers and phones are."""

import numpy as np
import pytest
from networks import write

from hubert_iter import options
from hubert_iter.analysis import measures, subspaces
from hubert_iter.analysis.measures import subspaces as measure
from hubert_iter.errors import UserError

PHONES, SPEAKERS, WIDTH = 12, 5, 30


def planted(angle, per_cell=4, noise=0.0, seed=0):
    """Phones and speakers in two dimensions each, every principal angle between them `angle`: features, both labels."""
    generator = np.random.default_rng(seed)
    phones, speakers = (each.ravel() for each in np.meshgrid(np.arange(PHONES), np.arange(SPEAKERS)))
    phones, speakers = np.repeat(phones, per_cell), np.repeat(speakers, per_cell)
    axes = np.linalg.qr(generator.standard_normal((WIDTH, 4)))[0].T
    of_speakers = np.cos(angle) * axes[:2] + np.sin(angle) * axes[2:]
    features = generator.standard_normal((PHONES, 2))[phones] @ axes[:2]
    features += generator.standard_normal((SPEAKERS, 2))[speakers] @ of_speakers
    return features + noise * generator.standard_normal(features.shape) + 3, phones, speakers


def direct(features, phones, speakers, share=0.95):
    """Left of phones and of speakers in a full table, in a few lines of numpy."""
    table = np.array(
        [
            [features[(speakers == speaker) & (phones == phone)].mean(axis=0) for phone in np.unique(phones)]
            for speaker in np.unique(speakers)
        ]
    )
    means = {"phone": table.mean(axis=0), "speaker": table.mean(axis=1)}
    means = {name: each - each.mean(axis=0) for name, each in means.items()}
    found = {}
    for prop, other in (("phone", "speaker"), ("speaker", "phone")):
        _, values, axes = np.linalg.svd(means[other], full_matrices=False)
        count = np.flatnonzero(np.cumsum(values**2) >= share * (values**2).sum())[0] + 1
        rest = means[prop] @ (np.eye(features.shape[1]) - axes[:count].T @ axes[:count])
        found[prop] = (rest**2).sum() / (means[prop] ** 2).sum()
    return found


def network(folder, features, phones, speakers):
    """The same instances as two sample sets, of which the second has the tap's dimensions in reverse."""
    keys = [("phone", 0), ("phone", 1)]
    taps = {"6": {keys[0]: features, keys[1]: features[:, ::-1]}}
    return write(folder, dict.fromkeys(keys, phones), dict.fromkeys(keys, speakers), taps)


def values(scored, metric):
    """Property -> values of the sample sets."""
    rows = [row for row in scored.rows if row.metric == metric]
    return {prop: [row.value for row in rows if row.prop == prop] for prop in sorted({row.prop for row in rows})}


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.0, np.pi / 2])
def test_planted_angles_are_found(tmp_path, angle):
    scored = measure.Subspaces().score(network(tmp_path, *planted(angle)), measure.Settings(share=1.0))
    found = values(scored, "left")
    for prop in ("phone", "speaker"):
        assert found[prop] == pytest.approx([np.sin(angle) ** 2] * 2, abs=1e-5)
    assert values(scored, "directions") == {"phone": [2, 2], "speaker": [2, 2]}
    if angle == np.pi / 2:
        assert values(scored, "cosine") == {"both": pytest.approx([0, 0], abs=1e-3)}


def test_left_equals_the_direct_formula_of_the_same_means(tmp_path):
    features, phones, speakers = planted(0.7, noise=0.5)
    found = values(measure.Subspaces().score(network(tmp_path, features, phones, speakers), measure.Settings()), "left")
    expected = direct(features.astype(np.float32).astype(float), phones, speakers)
    for prop, value in expected.items():
        assert 0.05 < value < 0.95
        assert found[prop] == pytest.approx([value] * 2, abs=1e-6)


def test_leaving_a_speaker_out_is_scoring_the_others(tmp_path):
    features, phones, speakers = planted(0.7, noise=0.5)
    scored = measure.Subspaces().score(network(tmp_path, features, phones, speakers), measure.Settings())
    assert len(scored.speakers) == 2 * SPEAKERS
    for row in scored.speakers:
        kept = speakers != int(row.speaker.removeprefix("spk"))
        expected = direct(features[kept].astype(np.float32).astype(float), phones[kept], speakers[kept])
        assert row.value == pytest.approx(expected[row.prop], abs=1e-6)


def test_unequal_and_missing_cells_do_not_mix_phones_with_speakers():
    features, phones, speakers = planted(1.0)
    generator = np.random.default_rng(1)
    kept = generator.random(len(phones)) < 0.3
    assert len(set(zip(phones[kept], speakers[kept], strict=True))) < PHONES * SPEAKERS
    full = subspaces.effects(subspaces.cells(features, speakers, phones, (SPEAKERS, PHONES)))
    some = subspaces.effects(subspaces.cells(features[kept], speakers[kept], phones[kept], (SPEAKERS, PHONES)))
    for one, other in zip(full, some, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_phone_of_one_speaker_alone_does_not_count_without_them():
    features, phones, speakers = planted(0.7, noise=0.5)
    rare = (phones == 3) & (speakers != 2)
    some = [each[~rare] for each in (features, speakers, phones)]
    without = subspaces.cells(*some, (SPEAKERS, PHONES)).without(np.arange(SPEAKERS) == 2)
    kept = (speakers != 2) & (phones != 3)
    _, expected = subspaces.effects(
        subspaces.cells(features[kept], speakers[kept] % 2 + speakers[kept] // 3 * 2, phones[kept], (4, PHONES))
    )
    _, found = subspaces.effects(without)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert (found[3] == 0).all() and found[4].any()


def test_shuffled_labels_span_the_directions_in_which_a_layer_varies(tmp_path):
    # Most of the variation within phones lies where phones differ, speakers lie elsewhere.
    features, phones, speakers = planted(np.pi / 2)
    features += 2 * (features - features.mean(axis=0))[np.random.default_rng(0).permutation(len(features))]
    scored = measure.Subspaces().score(network(tmp_path, features, phones, speakers), measure.Settings(share=0.8))
    for prop in ("phone", "speaker"):
        assert np.mean(values(scored, "null_left")[prop]) < np.mean(values(scored, "left")[prop]) - 0.1
    labels = np.repeat(np.arange(3), 5)
    within = np.tile(np.arange(5), 3)
    task = measure.Task(None, 0, "6", labels, within, np.arange(5), 5, 0, 0.95)
    shuffled = measure._shuffled(task, labels, within)
    assert shuffled.tolist() != labels.tolist()
    for each in range(5):
        assert sorted(shuffled[within == each]) == [0, 1, 2]


def test_directions_are_orthonormal_and_hold_what_they_are_said_to():
    means = np.random.default_rng(0).standard_normal((6, 20)) * np.arange(20)
    means -= means.mean(axis=0)
    shares, axes = subspaces.directions(means)
    assert axes.shape == (5, 20) and shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-9)
    for count in range(6):
        assert subspaces.left(means, axes[:count]) == pytest.approx(1 - shares[:count].sum(), abs=1e-9)
    assert subspaces.leading(np.array([0.6, 0.3, 0.1]), 0.9) == 2
    assert subspaces.cosine((shares, axes), (shares, axes)) == pytest.approx(float(np.sum(shares**2)))


def test_a_layer_that_does_not_vary_is_left_whole():
    shares, axes = subspaces.directions(np.zeros((4, 8)))
    assert len(shares) == 0 and subspaces.leading(shares, 0.95) == 0
    assert subspaces.left(np.zeros((4, 8)), axes) == 1


def test_evaluation_sets_without_phones_or_speakers_are_left_out(tmp_path):
    features, phones, speakers = planted(1.0)
    scorer = measures.find("subspaces", "file")
    assert scorer.leaves_out(network(tmp_path / "a", features, phones, speakers)) == ""
    two = network(tmp_path / "b", features, phones, speakers % 2)
    assert scorer.leaves_out(two) == "the phones sampled are of 2 speakers, it takes 3"
    words = write(tmp_path / "c", {("word", 0): phones}, {("word", 0): speakers}, {"6": {("word", 0): features}})
    assert scorer.leaves_out(words) == "no phones were sampled"
    with pytest.raises(UserError, match="share: expected a number above 0 and at most 1"):
        options.read(measure.Settings, {"share": 1.5}, "file")


def test_layers_of_other_samples_are_refused(tmp_path):
    material = network(tmp_path, *planted(1.0))
    path = tmp_path / "layers" / "phone.1.6.npy"
    np.save(path, np.load(path)[:, :-1])
    with pytest.raises(UserError, match="phone, sample set 1: expected 240 instances, found 239"):
        measure.Subspaces().score(material, measure.Settings())


def test_an_utterance_of_nobody_is_refused(tmp_path):
    material = network(tmp_path, *planted(1.0))
    path = material.samples / "speakers.tsv"
    path.write_text(path.read_text().replace("u3\tspk3\n", ""))
    with pytest.raises(UserError, match="utterance u3: expected its speaker"):
        measure.Subspaces().score(material, measure.Settings())
