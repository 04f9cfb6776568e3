"""What needs no network: by hand, against plain Python, against models that do the same, and through a training."""

import json
import math
from collections import Counter

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from tiny import Corpus, an_objective

from hubert_iter.bin import train
from hubert_iter.models.objective import Contest, Frames
from hubert_iter.models.objectives.chubert import loss as chubert
from hubert_iter.train.guesses import GUESSES, Guesses, choose, warning

SETTINGS = settings(deadline=None, max_examples=150)


def chosen(targets, masked, rivals=None, counts=None):
    counts = Counter(targets) if counts is None else Counter(counts)
    rivals = None if rivals is None else np.array(rivals)
    found = choose(np.array(targets), np.array(masked), rivals, counts)
    return {name: choice.tolist() for name, choice in found.items()}


def test_among_all_targets():
    #          0  1  2  3  4  5  6  7  8  9 10 11 12 13
    targets = [4, 4, 9, 9, 7, 1, 1, 1, 1, 1, 1, 1, 5, 4]
    masked = [2, 3, 5, 6, 7, 8, 9, 10, 11]
    assert chosen(targets, masked, counts={1: 7, 2: 30, 4: 3, 5: 1, 7: 1, 9: 2}) == {
        "mode": [2] * 9,  # not seen in this utterance
        "utterance_mode": [4] * 9,
        # Frame 8 lies as far from 4 as from 12: the earlier.
        "copy": [4, 7, 7, 7, 7, 7, 5, 5, 5],
        # Frames 7 and 9 lie 3 away, frame 8 lies 4 away.
        "near_copy": [4, 7, 7, 7, 7, 4, 5, 5, 5],
    }


def test_of_equally_frequent_targets_the_globally_frequent_then_the_smaller():
    targets, masked = [3, 2, 8, 8, 8], [2, 3, 4]
    assert chosen(targets, masked, counts={2: 5, 3: 6, 8: 6})["utterance_mode"] == [3, 3, 3]
    assert chosen(targets, masked, counts={2: 5, 3: 5, 8: 5})["utterance_mode"] == [2, 2, 2]
    assert chosen(targets, masked, counts={2: 6, 3: 5, 8: 6})["mode"] == [2, 2, 2]


def test_among_candidates():
    # Masked frames 0 to 4 of the list stand at 1, 2, 3, 4 and 9; only 0, 5, 6, 7 and 8 are seen.
    targets = [5, 7, 6, 5, 4, 6, 6, 6, 7, 4]
    masked = [1, 2, 3, 4, 9]
    rivals = [[1, 2], [0, 4], [3, 3], [2, 2], [0, 2]]
    # So the candidates are {7, 6, 5}, {6, 7, 4}, {5, 4}, {4, 5}, {4, 7, 5}.
    assert chosen(targets, masked, rivals, counts={4: 9, 5: 3, 6: 3, 7: 8}) == {
        "mode": [7, 4, 4, 4, 4],
        "utterance_mode": [6, 6, 5, 5, 7],
        "copy": [5, 6, 5, 5, 7],
        "near_copy": [5, 6, 5, 5, 7],
    }
    # Of a frame whose candidates are not seen the globally most frequent is chosen: no guess is left out.
    unseen = chosen([1, 2, 3, 3], [0, 1], [[1], [0]], counts={1: 4, 2: 5, 3: 9})
    assert unseen == dict.fromkeys(GUESSES, [2, 2])


def test_far_copies_yield_to_the_utterance_among_candidates_too():
    # Frames 4 to 8 are masked and have the candidates 1 and 2; 2 stands at frame 3, 1 is more frequent before it.
    found = chosen([1, 1, 1, 2, 1, 2, 2, 2, 2], [4, 5, 6, 7, 8], [[1], [0], [0], [0], [0]])
    assert found["copy"] == [2, 2, 2, 2, 2]
    assert found["near_copy"] == [2, 2, 2, 1, 1]


def test_an_utterance_that_is_masked_all_over_has_the_global_guess():
    assert chosen([1, 2, 2], [0, 1, 2]) == dict.fromkeys(GUESSES, [2, 2, 2])
    assert chosen([1, 2, 2], [0, 1, 2], [[1], [0], [0]]) == dict.fromkeys(GUESSES, [2, 2, 2])


def ranking(name: str, targets: list[int], masked: set[int], frame: int, counts: Counter) -> list[int]:
    """All targets, the likeliest first, in plain Python."""
    visible = [t for t in range(len(targets)) if t not in masked]
    seen = Counter(targets[t] for t in visible)

    def overall(target):
        return (-counts[target], target)

    def utterance(target):
        return (-seen[target], *overall(target))

    def distance(target, up_to=math.inf):
        near = [(abs(t - frame), t) for t in visible if targets[t] == target and abs(t - frame) <= up_to]
        return min(near, default=(math.inf, 0))

    keys = {
        "mode": overall,
        "utterance_mode": utterance,
        "copy": lambda target: (distance(target), overall(target)),
        "near_copy": lambda target: (distance(target, 3), utterance(target)),
    }
    return sorted(counts, key=keys[name])


@st.composite
def utterances(draw):
    frames = draw(st.integers(2, 30))
    classes = draw(st.integers(1, 8))
    targets = draw(st.lists(st.integers(0, classes), min_size=frames, max_size=frames))
    masked = sorted(draw(st.sets(st.integers(0, frames - 1), min_size=2)))
    counts = Counter(targets) + Counter(draw(st.lists(st.integers(0, 9), max_size=20)))
    return targets, masked, counts


@SETTINGS
@given(utterances(), st.data())
def test_equals_plain_rankings(utterance, data):
    targets, masked, counts = utterance
    rivals = None
    if data.draw(st.booleans()):
        one = st.integers(0, len(masked) - 1)
        each = st.lists(one, min_size=3, max_size=3)
        rivals = data.draw(st.lists(each, min_size=len(masked), max_size=len(masked)))
    found = chosen(targets, masked, rivals, counts)
    for name in GUESSES:
        for number, frame in enumerate(masked):
            candidates = set(counts)
            if rivals is not None:
                candidates = {targets[frame], *(targets[masked[rival]] for rival in rivals[number])}
            order = ranking(name, targets, set(masked), frame, counts)
            assert found[name][number] == next(target for target in order if target in candidates), name


@SETTINGS
@given(utterances(), st.data())
def test_masked_targets_are_not_looked_at(utterance, data):
    targets, masked, counts = utterance
    other = list(targets)
    for frame in masked:
        other[frame] = data.draw(st.sampled_from(sorted(counts)))
    assert chosen(targets, masked, None, counts) == chosen(other, masked, None, counts)


def some_frames(classes=11, frames=60, masked=35, width=24, channels=12, seed=0) -> Frames:
    random = torch.Generator().manual_seed(seed)
    encoded = torch.randn(1, frames, width, generator=random)
    features = torch.randn(1, frames, channels, generator=random)
    order = torch.rand(1, frames, generator=random).argsort(1)
    labels = torch.randint(classes, (1, frames), generator=random)
    return Frames(features, encoded, order[:, :masked].sort(1).values, labels)


@pytest.mark.parametrize("kind", ["hubert", "chubert"])
@pytest.mark.parametrize("name", GUESSES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_model_that_guesses_scores_as_the_guess(kind, name, seed, monkeypatch):
    classes = 11
    frames = some_frames(classes, seed=seed, width=classes)
    counts = np.bincount(frames.labels[0], minlength=classes)
    scores = torch.zeros(1, 60, classes)
    for frame in frames.masked[0].tolist():
        order = ranking(
            name,
            frames.labels[0].tolist(),
            set(frames.masked[0].tolist()),
            frame,
            Counter(dict(enumerate(counts.tolist()))),
        )
        scores[0, frame, order] = torch.linspace(1, 0, classes)
    objective = an_objective(kind, width=classes, classes=classes, embedding=classes).eval()
    with torch.no_grad():
        objective.head.embeddings.copy_(torch.eye(classes))
        objective.head.query.weight.copy_(torch.eye(classes))
        objective.head.query.bias.zero_()
    torch.manual_seed(seed)
    draw = chubert.draw_negatives
    monkeypatch.setattr(chubert, "draw_negatives", lambda b, m, _n, device: draw(b, m, 4, device))
    outcome = objective(Frames(frames.features, scores, frames.masked, frames.labels))
    guesses = Guesses(counts)
    guesses.add(outcome.contest, frames.masked, outcome.statistics["accuracy"])
    guesses.add(outcome.contest, frames.masked, outcome.statistics["accuracy"])
    values = guesses.values()
    assert values[f"guess_{name}"] == pytest.approx(outcome.statistics["accuracy"].item())
    assert values["uses_context"] == 0.0


def test_contests_are_those_of_evaluation():
    frames = some_frames()
    for name in ("hubert", "chubert", "wav2vec2"):
        objective = an_objective(name, classes=11)
        assert objective.train()(frames).contest is None
        contest = objective.eval()(frames).contest
        assert contest.targets.shape == (1, 60)
        assert (contest.rivals is None) == (name == "hubert")
        if contest.rivals is not None:
            assert contest.rivals.shape == (1, 35, 100)


def test_codes_of_wav2vec2_are_the_quantisers_at_all_frames():
    objective = an_objective("wav2vec2", embedding=16, entries=5).eval()
    frames = some_frames()
    contest = objective(frames).contest
    assert torch.equal(contest.targets, objective.quantiser(frames.features, 1.0).codes)
    assert len(contest.targets.unique()) > 3


def test_without_counts_those_of_the_utterances_so_far_say_what_is_frequent():
    guesses, masked, rivals = Guesses(), torch.tensor([[2, 3, 4]]), torch.tensor([[[1], [0], [0]]])
    hits = 0
    # So far, the present utterance included: three 1 to two 2, four to six, seven to eight.
    for targets, right in (([1, 1, 1, 2, 2], 1), ([2, 2, 1, 2, 2], 2), ([1, 1, 1, 2, 2], 2)):
        hits += right
        guesses.add(Contest(torch.tensor([targets]), rivals), masked, torch.tensor(0.5))
        assert guesses.guessed["mode"] == hits
    assert guesses.counts == {1: 7, 2: 8}


def test_where_all_targets_compete_the_most_frequent_is_that_of_all_utterances():
    guesses = Guesses()
    for targets in ([1, 1, 1, 2, 2], [2, 2, 2, 2, 2]):
        guesses.add(Contest(torch.tensor([targets])), torch.tensor([[2, 3, 4]]), torch.tensor(0.5))
    assert guesses.chance() == {"chance": 0.7}
    assert guesses.values()["guess_mode"] == 5 / 6  # the first utterance alone would have it name 1


def scored(accuracies: list[float], sizes: list[int]) -> dict[str, float]:
    """Values where every guess is right at every second masked frame."""
    guesses = Guesses(np.array([9, 1]))
    for accuracy, size in zip(accuracies, sizes, strict=True):
        targets = torch.zeros(1, size + 1, dtype=torch.long)
        targets[0, 1::2] = 1
        guesses.add(Contest(targets), torch.arange(1, size + 1)[None], torch.tensor(accuracy, dtype=torch.float64))
    return guesses.values()


def test_margin_is_the_interval_of_the_paired_difference_over_utterances():
    sizes, accuracies = [10, 40, 20, 30, 60], [0.9, 0.7, 0.85, 0.55, 0.8]
    values = scored(accuracies, sizes)
    assert values["guess"] == 0.5
    weights, gains = np.array(sizes), np.array(accuracies) - 0.5
    ratio = (weights * gains).sum() / weights.sum()
    error = math.sqrt((weights**2 * (gains - ratio) ** 2).sum() * 5 / 4) / weights.sum()
    assert values["guess_margin"] == pytest.approx(student.ppf(0.975, 4) * error)
    assert values["uses_context"] == float(ratio > values["guess_margin"]) == 1.0


def test_margin_is_at_least_a_twentieth_of_the_guess():
    values = scored([0.52, 0.52, 0.52], [50, 50, 50])
    assert values["guess_margin"] == pytest.approx(0.025)
    assert values["uses_context"] == 0.0
    assert scored([0.54, 0.54, 0.54], [50, 50, 50])["uses_context"] == 1.0


def test_one_utterance_shows_nothing():
    values = scored([1.0], [50])
    assert values["uses_context"] == 0.0 and math.isfinite(values["guess_margin"])


def test_interval_covers_for_utterances_that_differ():
    # The true gain is 0.1. 95 % are meant; 400 draws have a standard error of 1.1 %.
    random, missed = np.random.default_rng(0), 0
    for _ in range(400):
        sizes, accuracies = 2 * random.integers(3, 30, 20), 0.6 + 0.1 * random.normal(size=20)
        values = scored(accuracies.tolist(), sizes.tolist())
        missed += abs((sizes * accuracies).sum() / sizes.sum() - 0.6) > values["guess_margin"]
    assert 0.02 < missed / 400 < 0.09


def test_sums_alone_are_kept():
    guesses = Guesses(np.ones(5))
    frames = some_frames(classes=5)
    for _ in range(50):
        guesses.add(Contest(frames.labels), frames.masked, torch.tensor(0.3))
    kept = sum(len(value) if isinstance(value, dict) else 1 for value in vars(guesses).values())
    assert not guesses.waiting and kept == 5 + 3 * len(GUESSES) + 6


def test_warning_names_accuracy_guess_and_what_to_do():
    values = {**scored([0.52, 0.5, 0.5], [50, 50, 50]), "accuracy": 0.507}
    told = warning(values, last=False)
    assert "0.507" in told and "0.500" in told and "most frequent target" in told and "more updates" in told
    assert "No finding" not in told
    assert "No finding will rest on this run" in warning(values, last=True)
    assert warning({**values, "uses_context": 1.0}, last=True) is None
    assert warning({"loss": 1.0}, last=True) is None  # an objective that tells nothing


RUNS = {
    "hubert": {"objective": "hubert", "targets": "mfcc", "k": 7, "updates": 12},
    "chubert": {"objective": "chubert", "targets": "mfcc", "k": 7, "updates": 12},
    "wav2vec2": {"objective": "wav2vec2", "updates": 12},
    "online": {"objective": "online", "updates": 12},
}


@pytest.mark.parametrize("run", RUNS)
def test_a_training_says_what_needs_no_network(run, corpus: Corpus, tmp_path):
    files = {
        "model/m": {
            "conv_channels": 8, "width": 16, "layers": 2, "heads": 2, "feedforward": 32, "position_kernel": 8,
            "position_groups": 2,
        },
        "train/t": {
            "batch_seconds": 8.0, "device_seconds": 4.0, "max_crop_seconds": 2.0, "learning_rate": 1e-3, "workers": 0,
            "log_every": 12, "valid_every": 4, "checkpoint_every": 12,
        },
        "study/s": {"model": "m", "train": "t", "runs": {run: RUNS[run]}},
    }  # fmt: skip
    conf = tmp_path / "conf"
    for name, values in files.items():
        (conf / name).parent.mkdir(parents=True, exist_ok=True)
        (conf / f"{name}.yaml").write_text(yaml.safe_dump(values))
    options = {
        "study": conf / "study/s.yaml", "name": run, "conf_dirs": conf, "out": tmp_path / "run",
        "data": corpus.data, "valid_data": corpus.valid_data,
    }  # fmt: skip
    if "targets" in RUNS[run]:
        options |= {"labels": corpus.labels, "valid_labels": corpus.valid_labels}
    train.main([word for key, value in options.items() for word in (f"--{key}", str(value))])
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    for row in rows:
        if row["split"] == "train":
            assert not any(key.startswith("guess") for key in row)
            continue
        assert 0 < row["chance"] <= 1
        shares = [row[f"guess_{name}"] for name in GUESSES]
        assert row["guess"] == max(shares) and 0 < row["guess"] <= 1 and min(shares) >= 0
        assert row["guess_margin"] >= 0.05 * row["guess"] - 1e-6
        assert row["uses_context"] == float(row["accuracy"] > row["guess"] + row["guess_margin"])
    if run == "hubert":
        # Twelve updates teach nothing: said from half of the updates on, and at the end for good.
        told = [line for line in (tmp_path / "run/train.log").read_text().splitlines() if "needs no network" in line]
        assert ["update 8:" in told[0], "update 12:" in told[1], len(told)] == [True, True, 2]
        assert ["No finding" in line for line in told] == [False, True]
