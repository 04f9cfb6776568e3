"""Findings from made-up scores: what is said of conditions, of single networks, and of what has not learnt."""

import pytest
import yaml
from made_scores import PAPER, curve, idle, table

from hubert_iter import study
from hubert_iter.analysis import findings
from hubert_iter.analysis.findings import Kind, Verdict
from hubert_iter.errors import UserError
from hubert_iter.report import sentences

ROWS = PAPER | {"warm_it2": {"objective": "hubert", "targets": "hubert_it1@2", "k": 500, "init": "hubert_it1"}}


@pytest.fixture
def runs(tmp_path):
    def read(seeds=1, **more):
        table = {"model": "m", "train": "t", "updates": 5, "seeds": seeds, "runs": ROWS | more}
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(table, sort_keys=False))
        return study.read(tmp_path / "s.yaml").runs

    return read


LEVELS = {
    ("random", "phone"): curve(0.3, 0.28, 0.25, 0.2),
    ("hubert_it1", "phone"): curve(0.4, 0.6, 0.7, 0.5),
    ("hubert_it2", "phone"): curve(0.4, 0.65, 0.75, 0.74),
    ("chubert_it1", "phone"): curve(0.4, 0.6, 0.7, 0.5),
    ("hubert_it1", "speaker"): curve(0.9, 0.8, 0.7, 0.6),
    ("hubert_it2", "speaker"): curve(0.9, 0.7, 0.6, 0.4),
}


def rows_of(runs, network=0.004):
    return [
        row
        for run in runs.values()
        for (condition, prop), levels in LEVELS.items()
        if run.condition == condition
        for row in table(run.name, prop, levels, network=network)
    ]


def one(found, kind, first, second="", prop="phone"):
    (finding,) = [f for f in found if (f.kind, f.first, f.second, f.prop) == (kind, first, second, prop)]
    return finding


def said(finding) -> str:
    return sentences.WORDS[finding.kind](finding)


def test_three_networks_of_each_are_findings_about_conditions(runs):
    found = findings.find(runs(3), rows_of(runs(3)))
    fall = one(found, Kind.FALL, "hubert_it1")
    assert (fall.layers, fall.verdict, fall.estimate.networks) == ((2, 3), Verdict.HIGHER, (3,))
    assert fall.estimate.conditions and fall.estimate.mean == pytest.approx(0.2, abs=0.01)
    gain = one(found, Kind.ITERATION, "hubert_it2", "hubert_it1")
    assert gain.verdict is Verdict.HIGHER and gain.estimate.networks == (3, 3)
    assert one(found, Kind.ITERATION, "hubert_it2", "hubert_it1", "speaker").verdict is Verdict.LOWER
    assert one(found, Kind.ITERATION_FALL, "hubert_it2", "hubert_it1").verdict is Verdict.LOWER
    assert one(found, Kind.TRAINING, "hubert_it1", "random").estimate.networks == (3, 1)
    same = one(found, Kind.OBJECTIVE, "hubert_it1", "chubert_it1")
    assert same.verdict is Verdict.OPEN and same.wanted > 3
    assert one(found, Kind.OBJECTIVE_LAYERS, "hubert_it1", "chubert_it1").count == (0, 4)
    assert "(3 and 3 networks)" in said(gain) and "rises by 0.2" in said(gain)
    assert "networks of each" in said(same)


def test_one_network_of_each_is_about_these_two(runs):
    found = findings.find(runs(), rows_of(runs(), network=0))
    gain = one(found, Kind.ITERATION, "hubert_it2", "hubert_it1")
    assert gain.verdict is Verdict.HIGHER and not gain.estimate.conditions and gain.wanted is None
    assert "(these two networks)" in said(gain)
    assert "(this network)" in said(one(found, Kind.FALL, "hubert_it1"))


def test_an_interval_over_networks_is_wider_than_one_over_trials(runs):
    several = one(findings.find(runs(3), rows_of(runs(3), 0.02)), Kind.ITERATION, "hubert_it2", "hubert_it1")
    alone = one(findings.find(runs(), rows_of(runs(), 0.02)), Kind.ITERATION, "hubert_it2", "hubert_it1")
    assert several.estimate.half > 3 * alone.estimate.half


def test_a_question_of_the_study_is_answered_by_its_pairs(runs):
    ask = {"Labels or objective?": (("hubert_it2", "chubert_it1"),), "Warm?": (("warm_it2", "hubert_it2"),)}
    found = findings.find(runs(3), rows_of(runs(3)), compare=ask)
    told = one(found, Kind.COMPARISON, "hubert_it2", "chubert_it1")
    assert (told.verdict, told.estimate.networks) == (Verdict.HIGHER, (3, 3))
    assert told.estimate.mean == pytest.approx(0.24, abs=0.02)
    groups = dict(sentences.answers(found))
    assert list(groups)[:2] == ["Labels or objective?", "Warm?"]
    assert len(groups["Labels or objective?"]) == 1 and "higher by 0.2" in groups["Labels or objective?"][0]
    (untold,) = groups["Warm?"]
    assert "nothing can be said yet, for want of scores" in untold


def test_a_question_is_not_answered_by_networks_that_have_not_learnt(runs):
    ask = {"Better?": (("hubert_it2", "hubert_it1"),)}
    found = findings.find(runs(), rows_of(runs()), learning=idle("hubert_it1"), compare=ask)
    told = one(found, Kind.COMPARISON, "hubert_it2", "hubert_it1", prop="")
    assert told.verdict is Verdict.UNTOLD and told.left_out == ("hubert_it1",)
    assert "nothing can be said. No finding rests on hubert_it1" in dict(sentences.answers(found))["Better?"][0]


def test_no_finding_rests_on_networks_that_have_not_learnt(runs):
    all_of_it1 = idle("hubert_it1", "hubert_it1.2", "hubert_it1.3")
    found = findings.find(runs(3), rows_of(runs(3)), learning=all_of_it1)
    assert found[0].kind is Kind.LEARNING and found[0].count == (0, 3) and found[0].verdict is not Verdict.HIGHER
    assert not any("hubert_it1" in (f.first, f.second) for f in found[1:])
    assert one(found, Kind.FALL, "hubert_it2").estimate.networks == (3,)
    text = said(found[0])
    assert (
        "none of 3 networks" in text
        and "a copy of the nearest unmasked target" in text
        and "No finding rests on" in text
    )
    assert next(iter(dict(sentences.answers(found)))) == sentences.LEARNING

    some = findings.find(runs(3), rows_of(runs(3)), learning=idle("hubert_it1.2"))
    gain = one(some, Kind.ITERATION, "hubert_it2", "hubert_it1")
    assert gain.estimate.networks == (3, 2) and gain.left_out == ("hubert_it1.2",)


def test_what_cannot_be_told_is_not_told(runs):
    rows = [row for row in rows_of(runs()) if row["sample_set"] == "0" and row["trial"] == "0"]
    found = findings.find(runs(), rows)
    assert found and all(finding.verdict is Verdict.UNTOLD for finding in found)
    assert not any("nan" in said(finding) for finding in found)


def test_a_rising_curve_does_not_fall(runs):
    rows = table("hubert_it1", "word", curve(0.1, 0.2, 0.3))
    fall = one(findings.find(runs(), rows), Kind.FALL, "hubert_it1", prop="word")
    assert fall.verdict is not Verdict.HIGHER
    assert "highest in the final layer (2: 0.2" in said(fall)


def test_pairs_follow_the_study(runs):
    names = {name: run for name, run in runs().items() if name != "random"}
    rows = [row for run in names for row in table(run, "phone", curve(0.1, 0.2))]
    found = findings.find(runs(), rows)
    pairs = {(f.first, f.second) for f in found if f.kind is Kind.OBJECTIVE}
    assert pairs == {("hubert_it1", "chubert_it1"), ("hubert_it1", "wav2vec2"), ("chubert_it1", "wav2vec2")}
    pairs = {(f.first, f.second) for f in found if f.kind is Kind.ITERATION}
    assert pairs == {("hubert_it2", "hubert_it1"), ("warm_it2", "hubert_it1")}


def test_labels_are_known_by_their_targets_and_compared_at_equal_k_where_there_is_one(runs):
    quality = [
        {"labels": labels, "set": "eval", "metric": "pnmi", "value": str(value)}
        for labels, value in (
            ("mfcc_k100", 0.25), ("mfcc_k100.2", 0.26), ("hubert_it1@2_k500", 0.33), ("hubert_it1.2@2_k500", 0.34),
            ("mfcc_of_somebody", 0.9),
        )
    ]  # fmt: skip
    (labels,) = findings.find(runs(2), quality=quality)
    assert (labels.first, labels.second, labels.verdict) == ("hubert_it1@2_k500", "mfcc_k100", Verdict.HIGHER)
    assert labels.levels == (pytest.approx(0.335), pytest.approx(0.255)) and labels.estimate.networks == (2, 2)
    assert "With 500 clusters against 100" in said(labels)
    taught = findings.find(runs(2), quality=quality, learning=idle("hubert_it1", "hubert_it1.2"))
    assert [finding.kind for finding in taught] == [Kind.LEARNING]  # their teacher has not learnt
    (single,) = findings.find(runs(), quality=quality)
    assert single.verdict is Verdict.UNTOLD and "one set of each" in said(single)


def test_a_run_with_refresh_is_its_own_teacher(runs):
    row = {"objective": "chubert", "targets": "mfcc", "k": 100, "refresh": {"every": 2, "tap": 1}}
    table = runs(refreshed=row)
    quality = [
        {"labels": labels, "set": "eval", "metric": "pnmi", "value": "0.2"}
        for labels in ("mfcc_k100", table["refreshed"].labels)
    ]
    (labels,) = findings.find(table, quality=quality)
    assert (labels.first, labels.second) == ("refreshed.leg2@1_k100", "mfcc_k100")
    told = findings.find(table, quality=quality, learning=idle("refreshed"))
    assert [finding.kind for finding in told] == [Kind.LEARNING]
    # Its objective is compared by runs that keep their labels.
    pairs = findings.objectives(findings.Evidence(table, {}), ["hubert_it1", "refreshed"])
    assert pairs == []


def test_shuffled_labels_are_counted_beside_what_chance_allows(runs):
    rows = table("hubert_it1", "phone", curve(0.0, 0.0, 0.3), metric="null_pwcca")
    (control,) = findings.find(runs(), rows)
    assert control.count == (1, 3) and control.layers == (2,)
    assert "at 2 of 3 points" in said(control)


def test_runs_of_other_trials_are_refused(runs):
    rows = table("hubert_it1", "phone", curve(0.1)) + table("hubert_it2", "phone", curve(0.1), trials=2)
    with pytest.raises(UserError, match="3 sample sets and 3 trials"):
        findings.find(runs(), rows)


def test_scores_of_models_outside_the_table_make_no_finding(runs):
    assert findings.find(runs(), table("a_model", "phone", curve(0.1, 0.2))) == []


def test_every_kind_has_words():
    assert set(sentences.WORDS) == set(Kind)


def test_networks_with_the_very_same_scores_break_nothing(runs):
    shared = table("hubert_it1", "phone", curve(0.1, 0.2))
    names = [name for name, run in runs(2).items() if run.condition in ("hubert_it1", "chubert_it1")]
    found = findings.find(runs(2), [{**row, "run": name} for name in names for row in shared])
    same = one(found, Kind.OBJECTIVE, "hubert_it1", "chubert_it1")
    assert same.verdict is Verdict.OPEN and same.wanted is None


def test_no_more_networks_are_asked_for_where_the_evaluation_leaves_it_open(runs):
    # Networks of a condition agree to a thousandth, trials do not: more networks would change nothing.
    rows = []
    for name, run in runs(3).items():
        if run.condition in ("hubert_it1", "chubert_it1"):
            level = 0.28 if run.condition == "hubert_it1" else 0.2
            for row in table(run.condition, "phone", curve(0.1, level), spread=0.1):
                value = float(row["value"]) + 0.001 * run.replicate
                rows.append({**row, "run": name, "value": str(value)})
    found = one(findings.find(runs(3), rows), Kind.OBJECTIVE, "hubert_it1", "chubert_it1")
    assert found.verdict is Verdict.OPEN and abs(found.estimate.mean) > 0.01
    assert found.wanted is None and "networks of each" not in said(found)
