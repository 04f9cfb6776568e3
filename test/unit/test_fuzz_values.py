"""Every option that is declared, with values of every kind: refused before the first stage, or it really works."""

import dataclasses
import datetime
import itertools
from pathlib import Path
from typing import get_type_hints

import pytest
import torch
import yaml
from tiny import ROOT
from trainings import MODEL, TRAIN

from hubert_iter import options
from hubert_iter.analysis import measures, table
from hubert_iter.bin import plan
from hubert_iter.errors import UserError
from hubert_iter.models import objectives
from hubert_iter.models.pretrainer import build
from hubert_iter.refresh import Refresh
from hubert_iter.runs import Row
from hubert_iter.study import DEFAULT_KEYS, make
from hubert_iter.train import catalogue, check_study, config
from hubert_iter.train.distributed import World
from hubert_iter.train.loop import Material, Trainer
from hubert_iter.train.run import _fresh

NUMBERS = (
    -(10**400), -(10**9), -1, -0.5, 0, 1e-320, 1e-9, 0.1, 0.5, 1, 1.5, 2, 3, 7, 64, 1000, 10**5, 10**9, 2**63, 10**30,
    10**400, 1e300, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
OTHERS = (
    None, True, False, "", " ", "many", "mel", "float32", "nan", "inf", "1e999", "1e-3", "-1",
    "0x10", "a\0b", "a\nb", "../up", "x" * 300,
    "über", [], [1], [0.5, 0.5], [None], [[1]], ["a"], [1, float("nan")], [1] * 7, [10**30] * 7, {}, {"a": 1}, {1: 2},
    {"a": {"b": []}}, datetime.date(2020, 1, 1), b"\xff\0", {1, 2},
)  # fmt: skip
VALUES = (*NUMBERS, *OTHERS)
SMALL = 3e5
"""Parameters of the largest model that is really built here."""
ROW = {"objective": "hubert", "targets": "mfcc", "k": 7, "updates": 2}


@pytest.fixture(scope="module")
def conf(tmp_path_factory) -> Path:
    """A folder of configurations."""
    folder = tmp_path_factory.mktemp("conf")
    for name, values in {"model/m": MODEL, "train/t": {**TRAIN, "workers": 0}}.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(values))
    (folder / "study").mkdir()
    return folder


def planned(conf: Path, values: dict):
    """The study as the recipe checks it before its first stage; None where it is refused."""
    path = conf / "study" / "s.yaml"
    try:
        table = make(path, {"model": "m", "train": "t", **values})
        check_study.check(table, [conf])
    except UserError as error:
        assert len(str(error)) < 2000, str(error)[:200]
        return None
    for run in table.all_legs():
        cells = [str(value) for value in plan.row_of(run, None)]
        assert all(cell.isprintable() for cell in cells)
        assert max(map(len, (run.name, run.labels))) < 250 and ".." not in run.labels.split("/")
    return table


def declared(section: str) -> list[tuple[str, type, str]]:
    """(objective, its options' class, option) of a section."""
    if section != "objective":
        (group,) = (each for each in catalogue.groups() if each.section == section)
        return [("hubert", group.kind, name) for name in options.names(group.kind)]
    found = [(name, objectives.find(name, "test")) for name in objectives.names()]
    return [(name, kind, each) for name, kind in found for each in options.names(kind)]


SET = [(section, *each) for section in ("train", "model", "objective") for each in declared(section)]


@pytest.mark.parametrize(
    ("section", "objective", "kind", "name"), SET, ids=lambda each: getattr(each, "__name__", each)
)
def test_an_option_that_a_study_sets(conf, material, section, objective, kind, name):
    row = dict(ROW) if objectives.find(objective, "").needs_labels else {"updates": 2}
    accepted = {}
    for value in values_for(kind, name):
        table = planned(conf, {"runs": {"r": {**row, "objective": objective, "set": {f"{section}.{name}": value}}}})
        if table is not None:
            settings = config.load(table.runs["r"], [conf])
            read = options.values(settings.train) if section == "train" else getattr(settings, section)
            accepted[repr(read[name])] = read[name], settings
    assert accepted, "no value at all is accepted"
    for value, settings in extremes(accepted.values()):
        two_updates(settings, material, f"{section}.{name}={value!r}")


def values_for(kind: type, name: str) -> list:
    """VALUES, and the option's own limits, alone and as a list."""
    (field,) = (each for each in dataclasses.fields(kind) if each.name == name)
    check = field.metadata["check"]
    limits = [each for each in (check.least, check.above, check.most, check.below) if each is not None]
    return [*VALUES, *check.choices, *limits, *([each] for each in limits), *([each] * 2 for each in limits)]


def extremes(found) -> list:
    """Of accepted values the smallest and the largest number, and all that is no number."""
    found = list(found)
    numbers = sorted((each for each in found if type(each[0]) in (int, float)), key=lambda each: each[0])
    return [*numbers[:1], *numbers[1:][-1:], *(each for each in found if type(each[0]) not in (int, float))]


GROUPS = [*catalogue.groups(), *catalogue.of_analysis()]
NUMBERED = [(group.kind, each) for group in GROUPS for each in options.names(group.kind)]


@pytest.mark.parametrize(("kind", "name"), NUMBERED, ids=lambda each: getattr(each, "__qualname__", each))
def test_every_number_has_limits_on_both_sides(kind, name):
    (field,) = (each for each in dataclasses.fields(kind) if each.name == name)
    words = str(get_type_hints(kind)[name])
    if ("int" in words or "float" in words) and "str" not in words:
        check = field.metadata["check"]
        assert check.least is not None or check.above is not None, "no lower limit"
        assert check.most is not None or check.below is not None, "no upper limit"


BESIDES = {"b": {"objective": "hubert", "targets": "mfcc", "k": 5, "updates": 9}}
"""What a row may need."""


@pytest.mark.parametrize("name", [*options.names(Row), "name", "unknown"])
def test_a_value_of_a_row(conf, name):
    """Whatever is planned can be read by the recipe: a row of cells, in a folder that can be made."""
    for value in values_for(Row, name) if name in options.names(Row) else VALUES:
        row = {**ROW, name: value}
        if name == "name":
            if not isinstance(value, list | dict | set):  # no keys
                planned(conf, {"runs": {**BESIDES, value: dict(ROW)}})
            continue
        planned(conf, {"runs": {**BESIDES, "r": row}})
        planned(conf, {"runs": {**BESIDES, "r": {"objective": "wav2vec2", "updates": 3, name: value}}})
        planned(conf, {"runs": {**BESIDES, "r": {"objective": "none", name: value}}})
        if name == "pretrained":
            planned(conf, {"runs": {"p": {name: value}, "r": {**ROW, "targets": "p@1"}}})
            planned(conf, {"runs": {"r": {**ROW, "init": {"model": value}}}})
            planned(conf, {"runs": {"r": {**ROW, "targets": {"model": "x", "tap": value}}}})


@pytest.mark.parametrize("name", [*options.names(Refresh), "unknown"])
def test_a_value_of_a_refresh(conf, name):
    row, refresh = {**ROW, "updates": 9}, {"every": 3, "tap": 1}
    for value in values_for(Refresh, name) if name in options.names(Refresh) else VALUES:
        planned(conf, {"runs": {"r": {**row, "refresh": {**refresh, name: value}}}})


@pytest.mark.parametrize("key", [*DEFAULT_KEYS, "question", "compare", "runs", "unknown"])
def test_a_value_at_the_top_of_a_study(conf, key):
    for value in VALUES:
        planned(conf, {"runs": {**BESIDES, "r": dict(ROW)}, key: value})
    if key in ("runs", "compare"):
        for value in VALUES:
            planned(conf, {"runs": {"b": BESIDES["b"]}, key: {"b": value, "Why?": [["b", value]]}})


ANALYSIS = [
    (group.section, group.kind, name) for group in catalogue.of_analysis() for name in options.names(group.kind)
]


@pytest.mark.parametrize(("section", "kind", "name"), ANALYSIS, ids=lambda each: getattr(each, "__module__", each))
def test_an_option_of_an_analysis(tmp_path, section, kind, name):
    measure = section.rpartition("{")[2] if "{" in section else ""
    path = tmp_path / "a.yaml"
    accepted = 0
    for value in values_for(kind, name):
        values = {"measures": {"cca": {}}}
        place = values["measures"].setdefault(measure, {}) if measure else values.setdefault(section, {})
        (place if section else values)[name] = value
        values.pop("", None)
        accepted += analysed(path, values)
    assert accepted, "no value at all is accepted"


@pytest.mark.parametrize("key", ["measures", "segments", "base", "unknown", *measures.names()])
def test_a_value_in_place_of_a_section_of_an_analysis(tmp_path, key):
    for value in VALUES:
        values = {"measures": {"cca": {}}}
        (values["measures"] if key in measures.names() else values)[key] = value
        analysed(tmp_path / "a.yaml", values)


def analysed(path: Path, values: dict) -> bool:
    """Whether the table is accepted; as a file, as users have it."""
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    try:
        table.read(str(path), [ROOT / "conf"])
    except UserError:
        return False
    return True


@pytest.fixture(scope="module")
def material(corpus):
    """What a tiny training is of."""
    from hubert_iter.data import datadir
    from hubert_iter.units.labels import read_labels

    return datadir.read(corpus.data), read_labels(corpus.labels)


def two_updates(settings, material, what: str) -> None:
    """Build the model and do two updates and a validation; all that comes of them is finite."""
    with torch.device("meta"):
        model = build(settings.model, settings.objective, settings.classes, "test")
    if sum(parameter.numel() for parameter in model.parameters()) > SMALL or settings.train.compile:
        return
    data, labels = material
    given = Material(data, labels if settings.classes else None)
    try:
        trainer = Trainer(settings, _fresh(settings), given, given, World(0, 1, torch.device("cpu")))
    except UserError as error:
        assert "training speakers" in str(error), "only what depends on the data may show as late as this"
        return
    trainer.updater.batches = min(2, trainer.updater.batches)
    trainer.updater.begin()
    batches = (trainer.reader.read(trainer.sampler.plan(number)) for number in itertools.count())
    for number in range(2):
        done = trainer.updater.update(number, batches)
        for name, found in done.statistics.items():
            assert torch.isfinite(found.float()), f"{what}: {name} {found}"
    for name, parameter in trainer.updater.model.state_dict().items():
        assert torch.isfinite(parameter.float()).all(), f"{what}: {name}"
    trainer.held_out.plans = trainer.held_out.plans[:1]
    for name, found in trainer.held_out.evaluate(trainer.updater.model, torch.device("cpu")).items():
        assert found == found and abs(found) != float("inf"), f"{what}: {name} {found}"
