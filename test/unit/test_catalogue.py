"""The list of all options, and where one belongs."""

import pytest

from hubert_iter.bin import options
from hubert_iter.models import objectives


def printed(capsys, *words: str) -> list[str]:
    options.main(list(words))
    return capsys.readouterr().out.splitlines()


def test_the_table_has_each_option_with_default_and_meaning(capsys):
    lines = printed(capsys)
    assert [line for line in lines if line.split()[:2] == ["learning_rate", "0.0005"] and "peak" in line]
    assert [line for line in lines if line.split()[:2] == ["seeds", "1"]]
    titles = [line for line in lines if line[0] != " "]
    assert [title.split()[1].rstrip(":") for title in titles if title.startswith("objective")] == objectives.names()
    assert sum(line.split()[0] == "feature_penalty" for line in lines) == len(objectives.names())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("updates", ("(conf/study/mini.yaml: updates:)", '--train_args "updates=VALUE"')),
        ("seeds", ("(conf/study/mini.yaml: seeds:)",)),
        ("learning_rate", ("set: {train.learning_rate: VALUE}", "conf/train", '--train_args "learning_rate=VALUE"')),
        ("layers", ("set: {model.layers: VALUE}", "conf/model", '--train_args "model.layers=VALUE"')),
        ("negatives", ("set: {objective.negatives: VALUE}", '--train_args "objective.negatives=VALUE"')),
    ],
)
def test_where_an_option_belongs(capsys, name, words):
    (line,) = printed(capsys, "--where", name, "--study", "mini")
    assert line.startswith(f"--{name} belongs in the study (conf/study/mini.yaml")
    assert all(word in line for word in words)


def test_nothing_is_said_of_names_that_are_nowhere(capsys):
    assert printed(capsys, "--where", "stag") == []
