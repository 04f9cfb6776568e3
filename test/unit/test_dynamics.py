"""One run over its training: clusters that come to follow labels and phones, and the page that shows it."""

from dataclasses import replace

import numpy as np
import pytest
from frame_networks import Here, frames, write
from sklearn.metrics import normalized_mutual_info_score

from hubert_iter.analysis import dynamics
from hubert_iter.analysis.dynamics import own_clusters
from hubert_iter.analysis.frame_sample import NONE
from hubert_iter.bin import dynamics as entry
from hubert_iter.errors import UserError
from hubert_iter.report import dynamics as page


@pytest.fixture(scope="module")
def sample():
    return frames(utterances=60, length=100, phones=12)


def layer(sample, known, seed=0):
    """Frames around a point for each phone of `known`; all other frames around one point, so that they tell nothing."""
    generator = np.random.default_rng(seed)
    codes = sample.codes("phone")[0]
    place = np.where(np.isin(codes, known), codes, 12)
    return 4 * np.random.default_rng(7).standard_normal((13, 8))[place] + 0.3 * generator.standard_normal(
        (len(codes), 8)
    )


@pytest.fixture(scope="module")
def stages(sample, tmp_path_factory):
    """p0 is known from the first milestone on, p10 (third in the alphabet) from the second, p1 at the first alone."""
    folder = tmp_path_factory.mktemp("stages")
    known = {10: [0, 1], 20: [0, 2], 30: [0, 2]}
    return {
        update: write(
            folder / f"at{update}",
            sample,
            {"conv": layer(sample, []), "0": layer(sample, []), "1": layer(sample, each)},
        )
        for update, each in known.items()
    }


@pytest.fixture(scope="module")
def rows(stages, sample):
    taught = sample.codes("phone")[0]
    return dynamics.course(stages, sample, taught, 0, Here())


def values(rows, metric, layer="1", phone="-"):
    return [row.value for row in rows if (row.metric, row.layer, row.phone) == (metric, layer, phone)]


def test_phones_gain_and_lose_clusters_of_their_own(rows):
    own = {name: values(rows, "own", phone=name) for name in ("p0", "p1", "p10", "p3")}
    assert min(own["p0"]) > 5 and max(own["p3"]) < 2
    assert own["p10"][0] < 2 and own["p10"][1] > 5 and own["p1"][0] > 5 and own["p1"][2] < 2
    assert max(row.value for row in rows if row.metric == "null_own") < 2
    changes = page.phone_changes(rows, "1")
    assert (changes[0].phone, changes[-1].phone) == ("p10", "p1")
    assert page.best_layer(rows) == "1"


def test_agreement_with_labels_and_with_the_milestone_before(rows):
    taught, before = values(rows, "taught"), values(rows, "before")
    assert len(taught) == 3 and len(before) == 2 and min(taught) > 2 * max(values(rows, "taught", "0"))
    assert before[0] < 0.8 and before[1] == pytest.approx(1)  # nothing has changed between the last two milestones


def test_agreement_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    first, second = generator.integers(7, size=400), generator.integers(5, size=400)
    second[:200] = first[:200] % 5
    assert dynamics._nmi(first, second) == pytest.approx(normalized_mutual_info_score(first, second))


def test_a_cluster_is_owned_by_more_than_half():
    assert own_clusters(np.array([[3, 2, 0], [2, 2, 0], [0, 1, 0], [0, 0, 0], [4, 0, 0]])).tolist() == [2, 1, 0]


def test_without_labels_there_is_all_but_agreement_with_them(stages, sample):
    rows = dynamics.course(stages, sample, None, 0, Here())
    assert not values(rows, "taught") and values(rows, "before") and values(rows, "share")


def test_the_page_names_what_was_gained_and_lost(rows, tmp_path):
    content = page.build(tmp_path, "net", rows, {}, taught=True)
    ((_, sentences),) = content.answers
    assert "Gained most: p10" in sentences[1] and "Lost most: p1" in sentences[2]
    assert {drawing.name for drawing in content.drawings} == {
        "clusters_taught",
        "clusters_before",
        "clusters_share",
        "phones",
    }
    assert "one network" in content.note


def test_without_phones_the_page_has_all_but_them(stages, sample, tmp_path):
    silent = replace(sample, labels=sample.labels | {"phone": np.full(len(sample), NONE)})
    rows = dynamics.course(stages, silent, sample.codes("phone")[0], 0, Here())
    assert {row.metric for row in rows} == {"taught", "before"}
    content = page.build(tmp_path, "net", rows, {}, taught=True)
    assert {drawing.name for drawing in content.drawings} == {"clusters_taught", "clusters_before"}
    assert content.answers == () and "docs/alignments.md" in content.missing[0]


def test_a_run_without_milestones_is_told_how_to_keep_them(tmp_path):
    words = {"name": "net", "run": tmp_path, "samples": tmp_path, "out": tmp_path / "dynamics"}
    with pytest.raises(UserError, match="layers of several updates, found 0. .*train.milestones"):
        entry.main([word for key, value in words.items() for word in (f"--{key}", str(value))])
