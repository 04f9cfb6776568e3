"""The paper's findings as claims: how each stands, by made-up scores and by simulation."""

import numpy as np
import pytest
from made_scores import PAPER, curve, idle, table

from hubert_iter import study
from hubert_iter.analysis import claims, findings, statistics
from hubert_iter.analysis.claims import MARGIN, Claim, Standing
from hubert_iter.analysis.statistics import Interval
from hubert_iter.report import verdicts

ROWS = PAPER | {"wav2vec2_long": {"objective": "wav2vec2", "updates": 10}}
AS_THE_PAPER = {
    "hubert_it1": {"phone": curve(0.4, 0.6, 0.7, 0.5), "speaker": curve(0.9, 0.8, 0.7, 0.6)},
    "hubert_it2": {"phone": curve(0.4, 0.65, 0.75, 0.74), "speaker": curve(0.9, 0.7, 0.6, 0.4)},
    "chubert_it1": {"phone": curve(0.4, 0.6, 0.7, 0.5), "speaker": curve(0.9, 0.8, 0.7, 0.6)},
    "wav2vec2_long": {"phone": curve(0.4, 0.6, 0.65, 0.4)},
}


def read(path, seeds):
    rows = {"model": "m", "train": "t", "updates": 5, "seeds": seeds, "runs": ROWS}
    return study.make(path / "s.yaml", rows).runs


def judge(runs, levels, learning=None):
    rows = [
        row
        for run in runs.values()
        for prop, layers in levels.get(run.condition, {}).items()
        for row in table(run.name, prop, layers, network=0.002)
    ]
    found = findings.find(runs, rows, learning=learning)
    judged = claims.judge(runs, found)
    return judged, {(each.claim, each.first, each.second, each.prop): each.standing for each in judged}


def test_scores_as_in_the_paper_show_its_findings(tmp_path):
    judged, standing = judge(read(tmp_path, 3), AS_THE_PAPER)
    for key in (
        (Claim.FIRST_FALLS, "hubert_it1", "", "phone"),
        (Claim.FIRST_FALLS, "chubert_it1", "", "phone"),
        (Claim.FIRST_FALLS, "wav2vec2_long", "", "phone"),
        (Claim.NEXT_FALLS_LESS, "hubert_it2", "hubert_it1", "phone"),
        (Claim.SPEAKER_FALLS, "hubert_it2", "hubert_it1", "speaker"),
        (Claim.ALIKE, "hubert_it1", "chubert_it1", "phone"),
        (Claim.LONGER_FALLS_SHORT, "wav2vec2_long", "hubert_it2", "phone"),
    ):
        assert standing[key] is Standing.SHOWN, key
    assert standing[Claim.FIRST_FALLS, "hubert_it1", "", "word"] is Standing.MISSING
    # Half the updates of the chain prove nothing, and iteration 2 is no first iteration.
    assert not any(each.first == "wav2vec2" and each.claim is Claim.LONGER_FALLS_SHORT for each in judged)
    assert not any(each.first == "hubert_it2" and each.claim is Claim.FIRST_FALLS for each in judged)
    shown = verdicts.table(judged)
    assert len(shown.rows) == len(judged)
    assert shown.rows[0][-1] == "shown" and shown.rows[0][4] == "3"


def test_a_claim_on_speakers_cannot_be_told_where_there_is_one(tmp_path):
    runs = read(tmp_path, 3)
    judged = claims.judge(runs, [], {"speaker"})
    assert {each.standing for each in judged if each.prop == "speaker"} == {Standing.UNSCORED}
    assert {each.standing for each in judged if each.prop == "phone"} == {Standing.MISSING}


def test_the_reverse_is_contrary(tmp_path):
    swapped = {**AS_THE_PAPER, "hubert_it1": AS_THE_PAPER["hubert_it2"], "hubert_it2": AS_THE_PAPER["hubert_it1"]}
    _, standing = judge(read(tmp_path, 3), swapped)
    assert standing[Claim.NEXT_FALLS_LESS, "hubert_it2", "hubert_it1", "phone"] is Standing.CONTRARY
    assert standing[Claim.SPEAKER_FALLS, "hubert_it2", "hubert_it1", "speaker"] is Standing.CONTRARY
    assert standing[Claim.ALIKE, "hubert_it1", "chubert_it1", "phone"] is Standing.CONTRARY


def test_from_one_network_of_each_nothing_is_claimed(tmp_path):
    _, standing = judge(read(tmp_path, 1), AS_THE_PAPER)
    assert set(standing.values()) == {Standing.FEW, Standing.MISSING}


def test_networks_that_have_not_learnt_bear_nothing_out(tmp_path):
    lazy = idle("hubert_it1", "hubert_it1.2", "hubert_it1.3")
    _, standing = judge(read(tmp_path, 3), AS_THE_PAPER, lazy)
    assert standing[Claim.NEXT_FALLS_LESS, "hubert_it2", "hubert_it1", "phone"] is Standing.IDLE
    assert standing[Claim.FIRST_FALLS, "chubert_it1", "", "phone"] is Standing.SHOWN


@pytest.mark.parametrize(
    ("mean", "half", "sign", "standing"),
    [
        (0.05, 0.02, 1, Standing.SHOWN),
        (-0.05, 0.02, 1, Standing.CONTRARY),
        (0.01, 0.02, 1, Standing.NOT_SHOWN),
        (0.01, 0.20, 1, Standing.FEW),
        (0.01, 0.01, 0, Standing.SHOWN),
        (0.02, 0.02, 0, Standing.NOT_SHOWN),
        (0.05, 0.01, 0, Standing.CONTRARY),
        (0.00, 0.10, 0, Standing.FEW),
        (0.00, float("nan"), 0, Standing.FEW),
    ],
)
def test_what_an_interval_says(mean, half, sign, standing):
    assert claims.stand(Interval(mean, half, 4, (3, 3), 0.5), sign) is standing
    assert claims.stand(Interval(mean, half, 4, (3, 1), 0.5), sign) is Standing.FEW


@pytest.mark.parametrize("sign", [1, -1, 0])
def test_a_false_claim_is_seldom_called_shown(sign):
    """Networks of two conditions with no difference, or for `alike` with one of just the margin; nominal 5 %."""
    generator = np.random.default_rng(sign + 1)
    shift, runs = (MARGIN if sign == 0 else 0.0), 1000
    shown = 0
    for _ in range(runs):
        sides = generator.normal(0, 0.009, (2, 3)) + [[shift], [0]]
        shown += claims.stand(statistics.of_networks(*sides), sign) is Standing.SHOWN
    assert shown / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
