"""The controlled studies' runs differ in the objective and its targets alone; the shipped files are complete."""

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from tiny import ROOT

from hubert_iter import study
from hubert_iter.errors import UserError
from hubert_iter.models import objectives
from hubert_iter.models.pretrainer import build
from hubert_iter.train import config
from hubert_iter.train.config import RunConfig, TrainConfig

CONF = ROOT / "conf"
TINY = {
    "conv_channels": 4, "width": 8, "layers": 1, "heads": 2, "feedforward": 8,
    "position_kernel": 4, "position_groups": 2,
}  # fmt: skip
# Study, and the recipe whose own values come first, as in its stage 7.
CONTROLLED = (
    ("paper", "librispeech"), ("objectives_mini", "mini_librispeech"), ("objectives_demo", "synth"),
)  # fmt: skip


def runs_of(name: str, recipe: str) -> dict[str, RunConfig]:
    folders = [ROOT / "egs" / recipe / "ssl1/conf", CONF]
    table = study.read(CONF / "study" / f"{name}.yaml")
    return {run.name: config.load(run, folders) for run in table.runs.values() if run.trained}


@pytest.mark.parametrize(("name", "recipe"), CONTROLLED)
def test_controlled_runs_differ_in_the_objective_alone(name, recipe):
    runs = runs_of(name, recipe)
    assert {run.objective["name"] for run in runs.values()} == set(objectives.names())
    first = next(iter(runs.values()))
    for run in runs.values():
        assert run.model == first.model
        assert run.train == first.train
        differing = {key for key in run.run.keys() | first.run.keys() if run.run.get(key) != first.run.get(key)}
        assert differing <= {"name", "condition", "replicate", "iteration", "objective", "targets", "k", "updates"}
        # What two objectives both have, they share.
        for other in runs.values():
            shared = (run.objective.keys() & other.objective.keys()) - {"name"}
            assert {key: run.objective[key] for key in shared} == {key: other.objective[key] for key in shared}
    # As long as each other, but for the control of the duration.
    lengths = {
        run: settings.run["updates"] for run, settings in runs.items() if settings.run["condition"] != "wav2vec2_long"
    }
    assert len(set(lengths.values())) == 1, lengths


def test_same_iteration_same_labels():
    for name, recipe in CONTROLLED:
        runs = runs_of(name, recipe)
        facts = [{key: runs[run].run[key] for key in ("targets", "k")} for run in ("hubert_it1", "chubert_it1")]
        assert facts[0] == facts[1]


def test_the_paper_values_differ_from_the_controlled_ones_where_the_papers_do():
    shared, own = (yaml.safe_load((CONF / f"train/{name}.yaml").read_text()) for name in ("base", "wav2vec2_paper"))
    assert shared.keys() == own.keys()
    assert {key: (shared[key], own[key]) for key in shared if shared[key] != own[key]} == {
        "batch_seconds": (32 * 87.5, 64 * 87.5),
        "mask_probability": (0.8, 0.65),
        "clip": (10.0, 0.0),
    }
    runs = study.read(CONF / "study/paper_values.yaml").runs
    assert (runs["hubert_it1"].train, runs["wav2vec2"].train) == ("base", "wav2vec2_paper")


@pytest.mark.parametrize("recipe", ["mini_librispeech", "synth"])
def test_short_recipes_change_the_temperature_schedule_alone(recipe):
    shared = yaml.safe_load((CONF / "objective/wav2vec2.yaml").read_text())
    own = yaml.safe_load((ROOT / "egs" / recipe / "ssl1/conf/objective/wav2vec2.yaml").read_text())
    assert {**own, "gumbel_decay": shared["gumbel_decay"]} == shared
    name = {"mini_librispeech": "objectives_mini", "synth": "objectives_demo"}[recipe]
    updates = runs_of(name, recipe)["wav2vec2"].run["updates"]
    assert own["gumbel_start"] * own["gumbel_decay"] ** updates <= own["gumbel_end"]


@pytest.mark.parametrize("name", objectives.names())
def test_shipped_objectives_set_every_option_to_its_default(name):
    values = yaml.safe_load((CONF / f"objective/{name}.yaml").read_text())
    kind = objectives.find(name, "test")
    assert values.pop("name") == name
    assert values.pop("feature_penalty") == 10.0
    parameters = inspect.signature(kind).parameters
    assert values == {option: parameters[option].default for option in kind.options}
    # Every constructor argument is either a size or an option: none is out of reach.
    assert set(parameters) == {*kind.sizes, *kind.options}
    built = build(TINY, {"name": name, **values}, 5 if kind.needs_labels else None, "test")
    assert isinstance(built.objective, kind)


@pytest.mark.parametrize("path", sorted(CONF.glob("train/*.yaml")), ids=lambda path: path.stem)
def test_training_files_are_complete(path):
    values = yaml.safe_load(path.read_text())
    TrainConfig.read(values, str(path))
    assert set(values) == {field.name for field in fields(TrainConfig)}


@pytest.mark.parametrize(
    "path",
    sorted([*CONF.glob("*/*.yaml"), *ROOT.glob("egs/*/ssl1/conf/*/*.yaml")]),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_value_is_commented(path: Path):
    # An objective's name is explained by the line above it, a table of runs by its rows.
    explained = ("#", "name:", "runs:")
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(explained)]
    assert path.read_text().startswith("# ")
    assert [line for line in lines if "#" not in line] == []


def test_misspelt_options_are_refused_by_name():
    with pytest.raises(UserError, match="did you mean chubert"):
        build(TINY, {"name": "chuberd"}, 5, "conf/x.yaml")
    with pytest.raises(UserError, match="gumbel_dekay.*did you mean gumbel_decay"):
        build(TINY, {"name": "wav2vec2", "gumbel_dekay": 0.9}, None, "conf/x.yaml")
