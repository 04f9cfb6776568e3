"""--train_args: values for one call make a study of their own."""

import pytest
from tiny import ROOT

from hubert_iter import study, vary
from hubert_iter.bin import vary_study
from hubert_iter.errors import UserError
from hubert_iter.train import config

STUDY = """
model: tiny
train: mini
set: {train.clip: 5.0}
runs:
  random: {objective: none}
  first:  {objective: hubert, targets: mfcc, k: 100, updates: 300}
  second: {objective: hubert, targets: first@3, k: 100, updates: 200, set: {train.warmup: 0.1, train.clip: 2.0}}
"""


def write(tmp_path, train_args: str, capsys) -> str:
    (tmp_path / "s.yaml").write_text(STUDY)
    options = [
        "--study",
        str(tmp_path / "s.yaml"),
        "--conf_dirs",
        str(ROOT / "conf"),
        "--expdir",
        str(tmp_path / "exp"),
    ]
    vary_study.main([*options, "--train_args", train_args])
    return capsys.readouterr().out.rstrip("\n")


def test_values_of_a_call_win_over_those_of_rows_and_study(tmp_path, capsys):
    path = write(tmp_path, "clip=0 updates=7 model.layers=4", capsys)
    assert path == f"{tmp_path}/exp/s+model.layers=4+clip=0+updates=7/s+model.layers=4+clip=0+updates=7.yaml"
    varied = study.read(path)
    assert varied.name == "s+model.layers=4+clip=0+updates=7"
    runs = {name: config.load(run, [ROOT / "conf"]) for name, run in varied.runs.items()}
    assert runs["random"].run["set"] == {"model.layers": 4}
    assert runs["first"].run["set"] == {"train.clip": 0.0, "model.layers": 4}
    assert runs["second"].run["set"] == {"train.clip": 0.0, "model.layers": 4, "train.warmup": 0.1}
    assert [runs[name].run["updates"] for name in ("first", "second")] == [7, 7]
    assert runs["second"].train.clip == 0.0 and runs["second"].model["layers"] == 4


def test_the_same_values_are_the_same_study_however_they_are_written(tmp_path, capsys):
    first = write(tmp_path, "learning_rate=1e-3 betas=[0.9,0.99]", capsys)
    text = (tmp_path / first).read_text()
    assert write(tmp_path, "betas=[9e-1,0.99]  train.learning_rate=0.0010", capsys) == first
    assert (tmp_path / first).read_text() == text
    assert write(tmp_path, "learning_rate=1.1e-3 betas=[0.9,0.99]", capsys) != first


@pytest.mark.parametrize(
    ("train_args", "message"),
    [
        ("lerning_rate=1", "did you mean learning_rate"),
        ("learning_rate", "expected NAME=VALUE"),
        ("learning_rate=-1", "learning_rate: expected a number above 0"),
        ("updates=many", "updates: expected a whole number"),
        ("objective.groups=3", "set: objective: unknown key 'groups'"),
        ("model.layers=2", "second: targets: first has no tap '3'"),
        (f"milestones=[{','.join(map(str, range(1000, 1040)))}]", "too many values"),
    ],
)
def test_faults_are_named_before_anything_is_written(tmp_path, capsys, train_args, message):
    with pytest.raises(UserError, match=message):
        write(tmp_path, train_args, capsys)
    assert not (tmp_path / "exp").exists()


def test_spelling_of_values():
    changes = vary.read_changes("compile=true precision=float32 clip=5.0 epsilon=1e-8 milestones=[1,2]", "x")
    name = vary.name_of("s", changes, "x")
    assert name == "s+clip=5+compile=true+epsilon=1e-08+milestones=1,2+precision=float32"
