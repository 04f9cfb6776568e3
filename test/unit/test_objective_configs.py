"""The controlled studies' runs differ in the objective and its targets alone; what is recorded of a run is complete."""

from pathlib import Path

import pytest
import yaml
from tiny import ROOT

from hubert_iter import options, study
from hubert_iter.errors import UserError
from hubert_iter.models import objectives
from hubert_iter.models.pretrainer import build
from hubert_iter.models.settings import EncoderConfig
from hubert_iter.runs import Run
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
    ("square", "librispeech"), ("square_mini", "mini_librispeech"), ("square_demo", "synth"),
)  # fmt: skip


def runs_of(name: str, recipe: str) -> dict[str, RunConfig]:
    folders = [ROOT / "egs" / recipe / "ssl1/conf", CONF]
    table = study.read(CONF / "study" / f"{name}.yaml")
    return {run.name: config.load(run, folders) for run in table.runs.values() if run.trained}


@pytest.mark.parametrize(("name", "recipe"), CONTROLLED)
def test_controlled_runs_differ_in_the_objective_alone(name, recipe):
    runs = runs_of(name, recipe)
    crossed = {"online"} if name.startswith("square") else set()
    assert {run.objective["name"] for run in runs.values()} == {"hubert", "chubert", "wav2vec2"} | crossed
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
    runs = {run.name: config.load(run, [CONF]) for run in study.read(CONF / "study/paper_values.yaml").runs.values()}
    shared, own = (options.values(runs[name].train) for name in ("hubert_it1", "wav2vec2"))
    assert {key: (shared[key], own[key]) for key in shared if shared[key] != own[key]} == {
        "batch_seconds": (32 * 87.5, 64 * 87.5),
        "mask_probability": (0.8, 0.65),
        "clip": (10.0, 0.0),
    }


@pytest.mark.parametrize("recipe", ["mini_librispeech", "synth"])
def test_short_recipes_change_the_temperature_schedule_alone(recipe):
    name = {"mini_librispeech": "objectives_mini", "synth": "objectives_demo"}[recipe]
    run = runs_of(name, recipe)["wav2vec2"]
    own, usual = run.objective, objectives.find("wav2vec2", "test")().section()
    assert {key for key in own if own[key] != usual[key]} == {"gumbel_decay"}
    assert own["gumbel_start"] * own["gumbel_decay"] ** run.run["updates"] <= own["gumbel_end"]


def test_hubert_unmasked_is_hubert_with_one_other_value():
    row = Run(name="a", objective="hubert_unmasked", model="tiny", train="mini", targets="mfcc", k=5, updates=1)
    usual = objectives.find("hubert", "test")().section()
    assert config.load(row, [CONF]).objective == usual | {"unmasked_weight": 1.0}


def test_what_is_recorded_is_complete(tmp_path):
    for kind, values in {"model": {"width": 96}, "train": {"clip": 0}, "objective": {"base": "chubert"}}.items():
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "mine.yaml").write_text(yaml.safe_dump(values))
    row = Run(name="a", objective="mine", model="mine", train="mine", targets="mfcc", k=5, updates=1)
    recorded = config.load(row, [tmp_path]).as_dict()
    assert recorded["model"] == options.values(EncoderConfig(width=96))
    assert recorded["train"] == options.values(TrainConfig(clip=0.0))
    assert recorded["objective"] == {
        "name": "chubert", "feature_penalty": 10.0, "embedding": 256, "temperature": 0.1, "negatives": 100,
    }  # fmt: skip


@pytest.mark.parametrize(
    "path",
    # conf/asr holds ESPnet's own options, whose meaning ESPnet's help tells.
    sorted(
        path for path in [*CONF.glob("*/*.yaml"), *ROOT.glob("egs/*/ssl1/conf/*/*.yaml")] if path.parent.name != "asr"
    ),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_value_is_commented(path: Path):
    # What a file builds on is explained by the line above, the heading of a table by its rows, a question by itself.
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "base:"))]
    lines = [line for line in lines if not line.endswith(":") and '?": ' not in line]
    assert path.read_text().startswith("# ")
    assert [line for line in lines if "#" not in line] == []


def test_misspelt_options_are_refused_by_name():
    with pytest.raises(UserError, match="did you mean chubert"):
        build(TINY, {"name": "chuberd"}, 5, "conf/x.yaml")
    with pytest.raises(UserError, match="gumbel_dekay.*did you mean gumbel_decay"):
        build(TINY, {"name": "wav2vec2", "gumbel_dekay": 0.9}, None, "conf/x.yaml")
