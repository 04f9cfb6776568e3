import subprocess
import sys

import pytest
import yaml
from tiny import ROOT

from hubert_iter import study
from hubert_iter.bin import other_models, plan
from hubert_iter.errors import UserError
from hubert_iter.runs import RESERVED
from hubert_iter.train import check_study, config

RUNS = {
    "second": {"objective": "hubert", "targets": "first@6", "k": 500},
    "first": {"objective": "hubert", "targets": "mfcc"},
    "random": {"objective": "none"},
    "online": {"objective": "wav2vec2"},
    "warm": {"objective": "hubert", "targets": "first@6", "k": 500, "init": "first"},
}
TOP = {"model": "tiny", "train": "mini", "updates": 10, "k": 100}


def write(folder, runs=None, **top):
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump({**TOP, **top, "runs": RUNS if runs is None else runs}, sort_keys=False))
    return path


def test_teachers_come_before_their_pupils_and_defaults_fill_in(tmp_path):
    table = study.read(write(tmp_path))
    names = list(table.runs)
    assert names.index("first") < names.index("second")
    assert names.index("first") < names.index("warm")
    assert (table.runs["first"].k, table.runs["second"].k, table.runs["online"].k) == (100, 500, 0)
    assert table.runs["second"].labels == table.runs["warm"].labels == "first@6_k500"
    assert (table.runs["second"].teacher, table.runs["second"].tap) == ("first", "6")


def test_plan_prints_one_row_per_run(tmp_path, capsys):
    plan.main(["--study", str(write(tmp_path)), "--runs", "second", "random"])
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert sorted(row[0] for row in rows) == ["random", "second"]
    second = next(row for row in rows if row[0] == "second")
    assert second == ["second", "hubert", "first", "6", "500", "first@6_k500", "10", "-", "1", "none", *"-----"]


def test_a_best_layer_without_alignments_is_refused_by_the_plan(tmp_path, capsys):
    runs = {"one": {"objective": "hubert", "targets": "mfcc"}, "two": {"objective": "hubert", "targets": "one@best"}}
    options = ["--study", str(write(tmp_path, runs)), "--alignments", "none"]
    with pytest.raises(UserError, match="two cluster the layer .*alignments of the validation set"):
        plan.main(options)
    plan.main([*options, "--runs", "one"])
    assert capsys.readouterr().out.startswith("one\t")


def test_labels_are_named_after_their_normalisation_which_the_plan_tells(tmp_path, capsys):
    row = {"objective": "hubert", "targets": "mfcc", "seeds": 2}
    rows = {"raw": {**row, "normalise": "none"}, "agnostic": {**row, "normalise": "utterance"}}
    rows["later"] = {**row, "targets": "agnostic@3", "normalise": "speaker_mean"}
    path = write(tmp_path, rows)
    plan.main(["--study", str(path)])
    found = {row[0]: (row[5], row[9]) for row in (line.split("\t") for line in capsys.readouterr().out.splitlines())}
    assert found == {
        "raw": ("mfcc_k100", "none"), "raw.2": ("mfcc_k100.2", "none"),
        "agnostic": ("mfcc_k100_utterance", "utterance"), "agnostic.2": ("mfcc_k100_utterance.2", "utterance"),
        "later": ("agnostic@3_k100_speaker_mean", "speaker_mean"),
        "later.2": ("agnostic.2@3_k100_speaker_mean", "speaker_mean"),
    }  # fmt: skip
    runs = study.read(path).runs
    recorded = {name: config.load(runs[name], [ROOT / "conf"]).run for name in ("raw", "agnostic")}
    # Runs on raw labels are recorded as they were before there was a choice: they stay up to date.
    assert "normalise" not in recorded["raw"] and recorded["agnostic"]["normalise"] == "utterance"


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({"a": {"objectiv": "hubert"}}, "did you mean objective"),
        ({"a": {"objective": "hubert", "targets": "b@3"}}, "needs run 'b'"),
        ({"a": {"objective": "hubert", "targets": "b@3"}, "b": {"objective": "hubert", "targets": "a@3"}}, "circle"),
        ({"a": {"objective": "hubert", "k": 50}}, "targets .* and k together"),
        ({"a": {"objective": "hubert", "targets": "mfc"}}, "expected mfcc or RUN@TAP"),
        ({"a": {"objective": "none", "targets": "mfcc"}}, "has no targets"),
        ({"a": {"objective": "hubert", "targets": "mfcc", "updates": "many"}}, "whole number"),
        ({"a b": {"objective": "none"}}, "names a folder"),
        ({"a": {"objective": "hubert", "targets": "mfcc", "normalise": "utterence"}}, "normalise: expected none, utt"),
        ({"a": {"objective": "wav2vec2", "normalise": "utterance"}}, "normalise: expected with targets alone"),
        ({}, "at least one run"),
    ],
)
def test_faults_are_named(tmp_path, runs, message):
    with pytest.raises(UserError, match=message):
        study.read(write(tmp_path, runs))


@pytest.mark.parametrize("name", [*RESERVED, "x.tmp", "x.lock", "x.parts", "x.edited1", "x.edited12", "JOB", "JOBS_1"])
def test_names_that_the_recipe_has_a_use_for_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=f"run {name}: .*: rename the run"):
        study.read(write(tmp_path, {name: {"objective": "none"}}))
    with pytest.raises(UserError, match=f"--models: {name}: .*: choose another name"):
        other_models.parse(f"{name}=/m", set())


def test_a_question_is_a_sentence_and_a_study_s_own(tmp_path):
    assert study.read(write(tmp_path)).question == ""
    assert study.read(write(tmp_path, question="Why?")).question == "Why?"
    with pytest.raises(UserError, match="question: expected a sentence, found {'is it': 'so'}"):
        study.read(write(tmp_path, question={"is it": "so"}))


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        (["first", "second"], "compare: expected {QUESTION"),
        ({"Why?": "first"}, "compare: Why.: expected .ROW, ROW., .* found 'first'"),
        ({"Why?": [["first", "second"], ["first"]]}, r"compare: Why.: expected .* found \['first'\]"),
        ({"Why?": ["first", "secnd"]}, "compare: Why.: no run 'secnd' .did you mean second"),
    ],
)
def test_faults_of_comparisons_are_named(tmp_path, compare, message):
    with pytest.raises(UserError, match=message):
        study.read(write(tmp_path, compare=compare))


def test_a_question_has_one_pair_of_rows_or_several(tmp_path):
    found = study.read(write(tmp_path, compare={"One?": ["second", "first"], "Two?": [["first", "second"]] * 2}))
    assert found.compare == {"One?": (("second", "first"),), "Two?": (("first", "second"), ("first", "second"))}


def test_unknown_run_names_the_nearest(tmp_path):
    with pytest.raises(UserError, match="did you mean second"):
        study.read(write(tmp_path)).select(["secnd"])


def test_without_k_a_study_s_targets_are_a_fault(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump({**TOP, "runs": {"a": {"objective": "hubert", "targets": "mfcc"}}, "k": 0}))
    with pytest.raises(UserError, match="targets .* and k together"):
        study.read(path)


@pytest.mark.parametrize("path", sorted((ROOT / "conf/study").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_fit_everything_they_name(path):
    check_study.check(study.read(path), [ROOT / "conf"])


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({"a": {"objective": "huber", "targets": "mfcc"}}, "did you mean hubert"),
        ({"a": {"objective": "hubert"}}, "run a: objective hubert needs targets"),
        ({"a": {"objective": "wav2vec2", "targets": "mfcc"}}, "run a: objective wav2vec2 makes its own targets"),
        ({"a": {"objective": "hubert", "targets": "mfcc", "model": "tyni"}}, "did you mean tiny"),
        ({"a": {"objective": "hubert", "targets": "mfcc", "train": "mino"}}, "did you mean mini"),
        ({**RUNS, "late": {"objective": "hubert", "targets": "second@7"}}, "run late: .*second has no tap '7'"),
        ({**RUNS, "late": {"objective": "wav2vec2", "init": "first", "model": "small"}}, "run late: init: .*shape"),
        (
            {**RUNS, "late": {"objective": "wav2vec2", "init": "first", "set": {"model.heads": 6}}},
            "run late: init: .*shape",
        ),
    ],
)
def test_faults_that_would_show_after_days_show_in_the_plan(tmp_path, runs, message):
    path = write(tmp_path, runs)
    with pytest.raises(UserError, match=message):
        plan.main(["--study", str(path), "--conf_dirs", "conf", str(ROOT / "conf")])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"objective": "hubert", "set": {"train.lerning_rate": 1}},
            "set: train: unknown key.*did you mean learning_rate",
        ),
        ({"objective": "hubert", "set": {"objective.negatives": 5}}, "set: objective: unknown key 'negatives'"),
        ({"objective": "hubert", "set": {"train.clip": -1}}, "set: train: clip: expected a number from 0 to"),
        ({"objective": "hubert", "set": {"model.heads": 5}}, "set: model: width 192 must be a multiple of heads 5"),
        ({"objective": "hubert", "set": {"clip": 0}}, "expected train.NAME, model.NAME, objective.NAME, found 'clip'"),
        ({"objective": "hubert", "set": ["train.clip"]}, "set: expected {train.learning_rate"),
        ({"objective": "none", "set": {"train.clip": 0}}, "expected model.NAME, found 'train.clip'"),
    ],
)
def test_faults_of_values_that_a_row_sets_are_named(tmp_path, row, message):
    labels = {} if row["objective"] == "none" else {"targets": "mfcc"}
    with pytest.raises(UserError, match=f"run odd.*{message}"):
        check_study.check(study.read(write(tmp_path, {"odd": {**row, **labels}})), [ROOT / "conf"])


def test_a_row_sets_values_of_its_own_which_are_recorded(tmp_path):
    row = {"objective": "hubert", "targets": "mfcc"}
    own = {"train.learning_rate": "1e-4", "model.layers": 2, "objective.temperature": 0.5}
    runs = study.read(write(tmp_path, {"usual": row, "own": {**row, "set": own}})).runs
    usual, changed = (config.load(runs[name], [ROOT / "conf"]) for name in ("usual", "own"))
    assert (changed.train.learning_rate, changed.model["layers"], changed.objective["temperature"]) == (1e-4, 2, 0.5)
    assert changed.run["set"] == {**own, "train.learning_rate": 1e-4}  # as it was understood
    assert "set" not in usual.run  # so that runs that set nothing are recorded as they were before this was possible
    differing = {key for key, value in changed.as_dict()["train"].items() if value != usual.as_dict()["train"][key]}
    assert differing == {"learning_rate"}


def test_what_a_study_sets_for_all_its_rows(tmp_path):
    common = {"train.clip": 1.0, "model.layers": 3}
    runs = {"random": {"objective": "none"}, "own": {"objective": "wav2vec2", "set": {"train.clip": 2.0}}}
    found = study.read(write(tmp_path, runs, set=common)).runs
    assert found["own"].set == {"train.clip": 2.0, "model.layers": 3}
    assert found["random"].set == {"model.layers": 3}  # the baseline is as large as the rest


def test_a_study_builds_on_another(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "more.yaml").write_text(
        "base: objectives_mini\nseeds: 5\nruns: {late: {objective: wav2vec2, updates: 9}}\n"
    )
    table, base = study.read(folder / "more.yaml"), study.read(ROOT / "conf/study/objectives_mini.yaml")
    assert list(table.conditions) == [*base.conditions, "late"]
    assert len(table.conditions["hubert_it1"]) == 5
    assert (table.name, table.runs["late"].updates) == ("more", 9)


def test_a_study_is_checked_without_torch():
    """It takes seconds to load, and the recipe asks for the plan at every call."""
    script = (
        "import sys; from hubert_iter.bin import plan\n"
        "plan.main(['--study', 'conf/study/paper.yaml', '--conf_dirs', 'conf'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0


def test_a_condition_has_replicates_each_with_its_own_chain_of_teachers(tmp_path):
    table = study.read(write(tmp_path, seeds=3))
    assert [run.name for run in table.conditions["warm"]] == ["warm", "warm.2", "warm.3"]
    second, third = table.runs["second.2"], table.runs["warm.3"]
    assert (second.condition, second.replicate, second.targets, second.teacher) == ("second", 2, "first.2@6", "first.2")
    assert (third.init, third.labels, third.tap) == ("first.3", "first.3@6_k500", "6")
    assert [run.labels for run in table.conditions["first"]] == ["mfcc_k100", "mfcc_k100.2", "mfcc_k100.3"]
    assert [run.iteration for run in table.conditions["second"]] == [2, 2, 2]
    # What is not trained stays one network, unless its row says otherwise.
    assert len(table.conditions["random"]) == 1
    order = list(table.runs)
    assert all(order.index(needed) < order.index(run.name) for run in table.runs.values() for needed in run.needs)


def test_one_seed_looks_as_a_study_without_seeds(tmp_path):
    plain = study.read(write(tmp_path)).runs
    assert study.read(write(tmp_path, seeds=1)).runs == plain
    more = study.read(write(tmp_path, seeds=2)).runs
    assert {name: more[name] for name in plain} == plain  # so adding replicates leaves the first ones as they are


def test_runs_names_a_condition_or_one_replicate(tmp_path):
    table = study.read(write(tmp_path, seeds=2))
    assert [run.name for run in table.select(["second"])] == ["second", "second.2"]
    assert [run.name for run in table.select(["second.1"])] == ["second"]
    assert [run.name for run in table.select(["second.2", "random"])] == ["second.2", "random"]
    with pytest.raises(UserError, match=r"no run 'second\.3'.*has 2 replicate"):
        table.select(["second.3"])


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({**RUNS, "second": {**RUNS["second"], "seeds": 2}, "first": {**RUNS["first"], "seeds": 1}}, "as first has"),
        ({"a.2": {"objective": "none"}}, "names that end in"),
        ({"a": {"objective": "none", "seeds": 0}}, "seeds: expected a whole number from 1"),
        ({"a": {"objective": "none", "seeds": True}}, "seeds: expected a whole number"),
    ],
)
def test_faults_of_replicates_are_named(tmp_path, runs, message):
    with pytest.raises(UserError, match=message):
        study.read(write(tmp_path, runs))


def test_a_model_from_elsewhere_is_a_row_however_it_is_named(tmp_path):
    path = write(
        tmp_path,
        {
            "theirs": {"pretrained": "hf:some where/base model"},
            "taught": {"objective": "hubert", "targets": "theirs@6", "k": 9, "seeds": 2},
            "also": {"objective": "hubert", "targets": {"model": "hf:some where/base model", "tap": 3}, "k": 9},
            "begun": {"objective": "wav2vec2", "init": {"model": "files/a b.pt"}, "seeds": 2},
            "other": {"objective": "wav2vec2", "init": {"model": "more/a b.pt"}},
        },
    )
    found = study.read(path)
    assert found.runs["also"].targets == "theirs@3" and found.runs["begun"].init == "a-b-pt"
    assert found.runs["other"].init == "a-b-pt_2" and found.runs["a-b-pt_2"].pretrained == "more/a b.pt"
    # All replicates share the one network; labels are each one's own.
    assert found.runs["taught.2"].targets == "theirs@6" and found.runs["begun.2"].init == "a-b-pt"
    assert found.runs["taught"].labels != found.runs["taught.2"].labels
    theirs = found.runs["theirs"]
    assert not theirs.trained and not theirs.random and theirs.model == ""
    assert found.runs["taught"].iteration == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"objective": "hubert", "targets": {"model": "x"}, "k": 5}, "targets: expected {model: ..., tap: ...}"),
        ({"objective": "wav2vec2", "init": {"modle": "x"}}, "init: .*modle.*did you mean model"),
        ({"objective": "hubert", "pretrained": "x"}, "a network from elsewhere is not trained"),
        ({"objective": "wav2vec2", "kmeans": "a.npz"}, "kmeans: expected with targets"),
        ({"pretrained": "x", "seeds": 3}, "seeds: expected 1, found 3"),
    ],
)
def test_faults_of_models_from_elsewhere_are_named(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        study.read(write(tmp_path, {"odd": row}))


def test_what_others_need_of_elsewhere_must_be_there(tmp_path):
    row = {"objective": "hubert", "targets": {"model": "./no/model.pt", "tap": 3}, "k": 9}
    with pytest.raises(UserError, match="run model-pt: pretrained: no/model.pt: no such model file|run model-pt"):
        check_study.check(study.read(write(tmp_path, {"odd": row})), [ROOT / "conf"])
    row = {"objective": "hubert", "targets": "mfcc", "k": 9, "kmeans": "no.npz"}
    with pytest.raises(UserError, match="run odd: kmeans: no.npz: no such file"):
        check_study.check(study.read(write(tmp_path, {"odd": row})), [ROOT / "conf"])
    # What is only scored may come later: the others go on without it.
    check_study.check(study.read(write(tmp_path, {"odd": {"pretrained": "./no/model.pt"}})), [ROOT / "conf"])


def test_labels_by_own_centroids_have_a_name_of_their_own(tmp_path):
    row = {"objective": "hubert", "targets": "mfcc", "k": 9}
    runs = study.read(write(tmp_path, {"a": row, "b": {**row, "kmeans": "some/km 9.npz"}})).runs
    assert (runs["a"].labels, runs["b"].labels) == ("mfcc_k9", "mfcc_k9_km-9")


def test_centroids_of_two_files_of_one_name_would_share_their_labels(tmp_path):
    row = {"objective": "hubert", "targets": "mfcc", "k": 9}
    rows = {"a": {**row, "kmeans": "one/km.npz"}, "b": {**row, "kmeans": "two/km.npz"}}
    with pytest.raises(UserError, match="runs a and b: kmeans: one/km.npz and two/km.npz .*mfcc_k9_km: rename"):
        study.read(write(tmp_path, rows))
    assert study.read(write(tmp_path, {**rows, "b": {**rows["b"], "kmeans": "one/km.npz"}})).runs
