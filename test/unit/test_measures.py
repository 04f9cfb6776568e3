"""Measures are found by their modules' names, and the table of an analysis says which are scored."""

import pytest
import yaml
from scored import write_samples
from tiny import ROOT

from hubert_iter import options
from hubert_iter.analysis import measures, table
from hubert_iter.analysis.measure import Material, Measure
from hubert_iter.analysis.sample import Limits
from hubert_iter.bin import plan
from hubert_iter.errors import UserError


def test_each_module_is_a_measure_that_says_what_the_report_needs():
    assert {"abx", "cca"} <= set(measures.names())
    for name in measures.names():
        found = measures.find(name, "test")
        assert isinstance(found, Measure) and found.title and found.text and found.metrics
        assert len({metric.name for metric in found.metrics}) == len(found.metrics)
        found.Settings()  # every option has a default


@pytest.mark.parametrize("name", ["cca", "probe", "subspaces", "abx"])
def test_without_phones_and_a_second_speaker_measures_of_classes_leave_a_network_out(name, tmp_path):
    write_samples(tmp_path, {}, {"utt": "speaker"})
    (tmp_path / "phones.ctm").write_text("")
    material = Material(None, tmp_path / "samples", None, alignments=tmp_path)
    assert measures.find(name, "test").leaves_out(material)


def test_a_misspelt_measure_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"conf: unknown measure 'ccaa' \(did you mean cca\?\)\. Known: abx, .*cca"):
        measures.find("ccaa", "conf")


@pytest.mark.parametrize("text", ["", "from hubert_iter.analysis.measure import Measure\n"])
def test_a_module_without_a_measure_is_named(extend, text):
    (extend(measures) / "empty.py").write_text(text)
    with pytest.raises(UserError, match=r"empty\.py: expected one subclass of Measure, found 0"):
        measures.find("empty", "test")


def test_the_shipped_analyses_name_known_measures_and_options():
    folders = [ROOT / "conf"]
    assert "cca" in table.read("default", folders).measures
    assert "abx" in table.read("abx", folders).measures
    for recipe in ROOT.glob("egs/*/ssl1/conf"):
        for path in (recipe / "analysis").glob("*.yaml"):
            found = table.read(path.stem, [recipe, *folders])
            assert set(found.measures) == set(table.read("default", folders).measures), path


@pytest.fixture
def conf(tmp_path):
    """A function that writes analysis/<name>.yaml and reads it, with the project's own folder behind."""

    def read(values, name="mine"):
        (tmp_path / "analysis").mkdir(exist_ok=True)
        (tmp_path / f"analysis/{name}.yaml").write_text(yaml.safe_dump(values))
        return table.read(name, [tmp_path, ROOT / "conf"])

    return read


def test_a_table_builds_on_another_and_says_only_what_differs(conf):
    given = conf(
        {
            "base": "default", "seed": 3, "segments": {"speaker_chunk_seconds": 1},
            "measures": {"abx": {"context": "within"}, "cca": {"regularisers": [1e-3]}},
        }
    )  # fmt: skip
    default = table.read("default", [ROOT / "conf"])
    assert set(given.measures) == {*default.measures, "abx"}
    assert list(given.measures)[:2] == ["cca", "abx"]  # in the order of the report
    assert given.measures["cca"].regularisers == (1e-3,) and given.measures["abx"].context == "within"
    assert given.splits.seed == 3 and given.splits.trials == default.splits.trials
    assert given.segments == Limits(speaker_chunk_seconds=1.0)
    assert options.values(given.measures["cca"]) == {"regularisers": [1e-3], "control": True}


def test_a_recipe_s_own_default_builds_on_the_shared_one(conf):
    given = conf({"base": "default", "segments": {"frames": 2000}}, "default")
    assert given.segments.frames == 2000 and "cca" in given.measures


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"measure": {"cca": {}}}, r"analysis mine: unknown key 'measure' \(did you mean measures\?\)"),
        ({"segments": {"max_per_phon": 9}, "measures": {"cca": {}}}, r"segments: unknown key .* mean max_per_phone\?"),
        ({"measures": {"ccaa": {}}}, r"analysis mine: measures: unknown measure 'ccaa' \(did you mean cca\?\)"),
        ({"measures": {"cca": {"regulariser": [1]}}}, r"analysis mine: cca: unknown key .* mean regularisers\?"),
        ({"measures": {"cca": {"regularisers": [-1]}}}, r"cca: regularisers: expected a list, each a number from 0 to"),
        ({"measures": {"cca": {"regularisers": 1e-3}}}, r"cca: regularisers: expected a list, .* found 0\.001"),
        ({"measures": {"abx": {"context": "none"}}}, r"abx: context: expected any or within, found 'none'"),
        ({"measures": {"cca": True}}, "analysis mine: cca: expected keys and values, found True"),
        ({"measures": ["cca"]}, "analysis mine: measures: expected keys and values, found"),
        ({"measures": {}}, "analysis mine: expected measures: one of abx, .*cca"),
        ({"seed": 1}, "analysis mine: expected measures"),
        ({"trials": 0, "measures": {"cca": {}}}, "analysis mine: trials: expected a whole number from 1 to 5, found 0"),
        ({"segments": {"min_per_word": 0}, "measures": {"cca": {}}}, "min_per_word: expected a whole number from 1 to"),
    ],
)
def test_faults_of_a_table_are_named(conf, values, message):
    with pytest.raises(UserError, match=message):
        conf(values)


def test_an_empty_list_of_options_counts_as_none_given(conf):
    assert conf({"measures": {"cca": None}}) == conf({"measures": {"cca": {}}})


def test_what_cannot_be_scored_here_is_refused_with_the_plan(conf, monkeypatch, tmp_path):
    study = tmp_path / "s.yaml"
    study.write_text("model: tiny\ntrain: mini\nupdates: 1\nruns: {random: {objective: none}}\n")
    options = ["--study", str(study), "--conf_dirs", str(tmp_path), str(ROOT / "conf"), "--analysis", "mine"]
    conf({"measures": {"abx": {}}})
    monkeypatch.setattr(type(measures.find("abx", "test")), "check", refuse)
    with pytest.raises(UserError, match="abx cannot work here"):
        plan.main(options)
    conf({"measures": {"cca": {}}})
    plan.main(options)


def refuse(measure, settings):
    raise UserError("abx cannot work here")
