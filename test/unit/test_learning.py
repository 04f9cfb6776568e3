"""Has a run learnt to use context, and what would it take?"""

import pytest

from hubert_iter.analysis.learning import learning


def course(accuracies: list[float], guess: float = 0.2, margin: float = 0.02) -> list[dict]:
    """Validations every 100 updates, and training rows between them."""
    told = []
    for number, accuracy in enumerate(accuracies, start=1):
        told += [
            {"split": "train", "update": 100 * number - 50, "accuracy": 0.9},
            {
                "split": "valid", "update": 100 * number, "accuracy": accuracy, "guess": guess, "guess_copy": guess,
                "guess_margin": margin, "uses_context": float(accuracy > guess + margin),
            },
        ]  # fmt: skip
    return told


def test_updates_wanted_lie_on_the_line_of_the_second_half():
    # 0.02 in 100 updates; 0.22 is wanted, and 0.14 reached at 600.
    found = learning("run", course([0.01, 0.07, 0.08, 0.10, 0.12, 0.14]))
    assert (found.uses_context, found.updates_wanted) == (False, 1000)


def test_they_are_rounded_up():
    assert learning("run", course([0.1, 0.1007, 0.1014, 0.1021], margin=0.0)).updates_wanted == 15000


@pytest.mark.parametrize("accuracies", [[0.1], [0.14, 0.13, 0.12, 0.11], [0.1, 0.1, 0.1]])
def test_none_where_nothing_rises(accuracies):
    assert learning("run", course(accuracies)).updates_wanted is None


def test_none_for_a_run_that_has_learnt():
    found = learning("run", course([0.1, 0.2, 0.3]))
    assert found.uses_context and found.updates_wanted is None


def test_nothing_is_told_without_a_guess():
    assert learning("run", [{"split": "valid", "update": 5, "accuracy": 0.3}]) is None
