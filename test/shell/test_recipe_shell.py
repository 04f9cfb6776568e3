"""setup.sh, path.sh and what a recipe's command line does before any work starts."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipe_runs import copy_of_project

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(path.parent for path in ROOT.glob("egs/*/ssl1/run.sh"))
RECOGNISERS = sorted(path.parent for path in ROOT.glob("egs/*/asr1/run.sh"))


def run(*command, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    """Run a command to its end."""
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A copy of the project in a folder whose path has spaces."""
    if not (ROOT / "tools/venv/bin/python").exists():
        pytest.skip("no tools/venv: the tests run in another environment")
    return copy_of_project(tmp_path_factory.mktemp("a copy") / "of the project")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
class TestEveryRecipe:
    """What all of them share."""

    def test_options_that_every_recipe_has(self, recipe):
        result = run(recipe / "run.sh", "--help")
        assert result.returncode == 0, result.stderr
        assert set(result.stdout.split()) >= {
            *("--stage", "--stop_stage", "--skip_stages", "--nj", "--ngpu", "--num_nodes"),
            *("--datadir", "--dumpdir", "--expdir", "--study", "--runs"),
        }

    def test_help_shows_the_recipes_own_settings(self, recipe):
        title = next(line for line in (recipe / "run.sh").read_text().splitlines() if "--title" in line).split('"')[1]
        assert f"(now: {title})" in run(recipe / "run.sh", "--help").stdout

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--stage", "7", "--stop_stage", "5"), "expected the first stage not to come after the last one"),
            (("--nj", "0"), "--nj: expected a whole number of at least 1, got '0'"),
            (("--num_nodes", "0"), "--num_nodes: expected a whole number of at least 1"),
        ],
    )
    def test_values_that_cannot_be_are_refused_before_any_work(self, recipe, options, message, tmp_path):
        result = run(recipe / "run.sh", *options, "--expdir", str(tmp_path / "exp"))
        assert result.returncode == 1 and message in result.stderr
        assert not (tmp_path / "exp").exists()

    def test_a_gpu_that_is_not_there_is_refused_before_any_work(self, recipe, tmp_path):
        if shutil.which("nvidia-smi"):
            pytest.skip("this machine has a GPU")
        result = run(recipe / "run.sh", "--ngpu", "1", "--expdir", str(tmp_path / "exp"))
        assert result.returncode == 1 and "--ngpu 1: this machine has no GPU" in result.stderr

    def test_unknown_option(self, recipe):
        result = run(recipe / "run.sh", "--stop_stages", "3")
        assert result.returncode == 2
        assert "--stop_stage" in result.stderr

    def test_links_lead_somewhere(self, recipe):
        assert all(path.exists() for path in recipe.rglob("*"))

    def test_data_script_takes_the_options_that_ssl_sh_gives(self, recipe):
        result = run(recipe / "local/data.sh", "--help", cwd=recipe)
        assert set(result.stdout.split()) >= {
            *("--datadir", "--train_set", "--valid_set", "--eval_set"),
            *("--corpus", "--textgrids", "--download", "--nj", "--seed"),
        }


@pytest.mark.parametrize("recipe", RECOGNISERS, ids=lambda path: path.parent.name)
class TestEveryRecogniser:
    """What all asr1 folders share."""

    def test_options(self, recipe):
        result = run(recipe / "run.sh", "--help")
        assert result.returncode == 0, result.stderr
        assert set(result.stdout.split()) >= {"--stage", "--stop_stage", "--nj", "--study", "--runs", "--asr_config"}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--stage", "6"), "--stage and --stop_stage: expected 1 to 5, got '6'"),
            (("--study", "nothing_of_the_kind"), "no study 'nothing_of_the_kind'"),
            (("--asr_config", "syllable=x"), "--asr_config: expected phone=, bpe= or char= and a YAML"),
            (("--nj", "0"), "--nj: expected a whole number of at least 1"),
        ],
    )
    def test_values_that_cannot_be_are_refused_before_any_work(self, recipe, options, message, tmp_path):
        result = run(recipe / "run.sh", *options, "--expdir", str(tmp_path / "exp"))
        assert result.returncode == 1 and message in result.stderr
        assert not (tmp_path / "exp").exists()

    def test_links_lead_somewhere(self, recipe):
        assert all(path.exists() for path in recipe.rglob("*"))


def test_setup_makes_a_recogniser_beside_a_recipe(elsewhere):
    recipe = elsewhere / "egs/their corpus/asr1"
    made = run(elsewhere / "egs/TEMPLATE/asr1/setup.sh", recipe)
    assert made.returncode == 0, made.stderr
    untrained = run(recipe / "run.sh", "--study", "mini", cwd=elsewhere)
    assert untrained.returncode == 1
    assert "Train the study first" in untrained.stderr


@pytest.fixture(scope="module")
def mycorpus(elsewhere) -> Path:
    """Both folders of a corpus without alignments, stage 2 done; its networks are as if trained."""
    corpus = elsewhere / "egs/mycorpus"
    for part in ("ssl1", "asr1"):
        assert run(elsewhere / f"egs/TEMPLATE/{part}/setup.sh", corpus / part).returncode == 0
    for name in ("cmd.sh", "conf/slurm.conf"):  # both run as the one recipe says
        assert (corpus / "asr1" / name).resolve() == corpus / "ssl1" / name
    for number, (name, speaker) in enumerate({"train": "a", "valid": "b", "eval": "c"}.items()):
        folder = corpus / "ssl1/data" / name
        folder.mkdir(parents=True)
        noise = np.random.default_rng(number).standard_normal(48000) / 10
        soundfile.write(folder / "u.wav", noise, 16000)
        for table, value in {"wav.scp": folder / "u.wav", "utt2spk": speaker, "text": "HELLO WORLD"}.items():
            (folder / table).write_text(f"{speaker}-1 {value}\n")
    (corpus / "ssl1/local/data.sh").write_text("#!/usr/bin/env bash\n")
    (corpus / "ssl1/conf/study").mkdir(parents=True)
    (corpus / "ssl1/conf/study/first.yaml").write_text(
        "model: tiny\ntrain: debug\nupdates: 2\nruns:\n  hubert_it1: {objective: hubert, targets: mfcc, k: 5}\n"
    )
    (corpus / "ssl1/exp/first/hubert_it1/model").mkdir(parents=True)
    prepared = run(corpus / "ssl1/run.sh", "--study", "first", "--stop_stage", "2", cwd=elsewhere)
    assert prepared.returncode == 0, prepared.stderr
    return corpus


def tokens_of(mycorpus: Path, *options: str) -> subprocess.CompletedProcess:
    """Stage 1 of the corpus's asr1."""
    return run(mycorpus / "asr1/run.sh", "--study", "first", "--stop_stage", "1", *options, cwd=mycorpus)


def test_a_corpus_without_alignments_is_told_what_asr1_takes_instead(mycorpus):
    refused = tokens_of(mycorpus)
    assert refused.returncode == 1 and "expected alignments, found none" in refused.stderr
    advised = re.search(r'--asr_config "([^"]+)" \(asr\.sh\)', refused.stderr)[1]
    made = tokens_of(mycorpus, "--asr_config", advised, "--nbpe", "11")
    assert made.returncode == 0, made.stderr
    assert (mycorpus / "asr1/dump/tokens/bpe11/train/text").read_text() == "a-1 HELLO WORLD\n"
    none = tokens_of(mycorpus, "--alignments", "none")
    assert none.returncode == 1 and f'--asr_config "{advised}"' in none.stderr


def test_a_corpus_with_alignments_has_tokens_of_phones(mycorpus):
    for name, speaker in {"train": "a", "valid": "b", "eval": "c"}.items():
        for tier in ("phones", "words"):
            (mycorpus / f"ssl1/data/{name}/{tier}.ctm").write_text(
                f"{speaker}-1 1 0.5 0.4 HH\n{speaker}-1 1 1.0 0.4 AH0\n"
            )
    made = tokens_of(mycorpus, "--nbpe", "11")
    assert made.returncode == 0, made.stderr
    listed = (mycorpus / "asr1/dump/tokens/phone/tokens.txt").read_text().split()
    assert {token.lower() for token in listed[2:-1]} == {"hh", "ah"}


@pytest.mark.parametrize(
    ("package", "options", "missed"),
    [
        ("jiwer", (), True),
        ("kenlm", ("--beam", "2", "--ngram_order", "3"), True),
        ("kenlm", (), False),
    ],
)
def test_packages_of_later_stages_are_asked_for_before_any_work(elsewhere, tmp_path, package, options, missed):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\nfound = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *rest: None if name == '{package}' else found(name, *rest)\n"
    )
    recipe = elsewhere / "egs/mini_librispeech/asr1/run.sh"
    result = run(recipe, *options, "--expdir", tmp_path / "exp", "--ssl_expdir", tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert (f"needs {package}" in result.stderr and "--extras test,asr,ngram" in result.stderr) == missed
    assert ("Train the study first" in result.stderr) != missed
    assert not (tmp_path / "exp").exists()


def test_every_entry_point_and_script_named_in_a_recipe_exists():
    for script in ROOT.glob("egs/*/*1/**/*.sh"):
        if script.is_symlink() or "utils" in script.parts:
            continue
        for word in script.read_text().replace('"', " ").split():
            if word.startswith("hubert_iter.bin."):
                assert (ROOT / f"{word.rstrip(',').replace('.', '/')}.py").is_file(), f"{script}: {word}"


@pytest.mark.parametrize(
    ("option", "words"),
    [("--updates", "conf/study/demo.yaml: updates:"), ("--learning-rate", '--train_args "learning_rate=VALUE"')],
)
def test_options_that_belong_in_the_study_are_answered_so(elsewhere, option, words):
    result = run(elsewhere / "egs/synth/ssl1/run.sh", option, "3", cwd=elsewhere)
    assert result.returncode == 2
    assert words in result.stderr and "did you mean" not in result.stderr


def test_help_lists_what_may_be_set_of_a_study(elsewhere):
    names = {line.split()[0] for line in run(elsewhere / "egs/synth/ssl1/run.sh", "--help").stdout.splitlines()}
    assert {"--train_args", "seeds", "learning_rate", "layerdrop", "gumbel_decay"} <= names


def test_a_dry_run_tells_and_does_nothing(elsewhere, tmp_path):
    folders = ("--datadir", tmp_path / "data", "--dumpdir", tmp_path / "dump", "--expdir", tmp_path / "exp")
    words = ("--study", "refresh_demo", "--runs", "kept_50", "--ngpu", "1", "--dry_run", "true")
    result = run(elsewhere / "egs/synth/ssl1/run.sh", *folders, *words)
    assert result.returncode == 0, result.stderr
    rows = [line.split()[0] for line in result.stdout.splitlines()]
    assert rows == ["network", "kept_50.leg1", "kept_50.leg2", "kept_50", "In"]
    assert list(tmp_path.iterdir()) == []


def test_setup_makes_a_recipe_that_runs_its_own_data_script(elsewhere):
    recipe = elsewhere / "egs/my corpus/ssl1"
    template = elsewhere / "egs/TEMPLATE/ssl1"
    made = run(template / "setup.sh", recipe)
    assert made.returncode == 0, made.stderr
    for name in ("run.sh", "cmd.sh", "conf", "local"):
        assert not (recipe / name).is_symlink()
    for name in ("ssl.sh", "path.sh", "db.sh", "utils"):
        assert (recipe / name).is_symlink()
        assert (recipe / name).resolve() == (template / name).resolve()

    unwritten = run(recipe / "run.sh", "--stop_stage", "1", cwd=elsewhere)
    assert unwritten.returncode == 1
    assert "local/data.sh" in unwritten.stderr
    (recipe / "local/data.sh").write_text(
        "#!/usr/bin/env bash\nset -euo pipefail\n"
        '. ./path.sh\npython3 -c "import hubert_iter; print(hubert_iter.__file__)"\nprintf "<%s>" "$@"\n'
    )
    written = run(recipe / "run.sh", "--stop_stage", "1", "--corpus", "a b", cwd=elsewhere)
    assert written.returncode == 0, written.stderr
    assert f"{elsewhere}/hubert_iter/__init__.py" in written.stdout
    assert "<--corpus><a b>" in written.stdout


def test_two_calls_prepare_the_data_one_after_the_other(elsewhere):
    recipe = elsewhere / "egs/called twice/ssl1"
    assert run(elsewhere / "egs/TEMPLATE/ssl1/setup.sh", recipe).returncode == 0
    (recipe / "local/data.sh").write_text("#!/bin/sh\necho begins >>calls\nsleep 3\necho ends >>calls\n")
    calls = [subprocess.Popen([recipe / "run.sh", "--stop_stage", "1"], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [call.wait(timeout=120) for call in calls] == [0, 0]
    assert (recipe / "calls").read_text().split() == ["begins", "ends"] * 2
    (recipe / "local/data.sh").write_text("#!/bin/sh\nls data.lock && exit 1\n")
    assert "data.lock" in run(recipe / "run.sh", "--stop_stage", "1").stdout
    assert not (recipe / "data.lock").exists()


def test_setup_refuses_a_folder_that_is_there(elsewhere, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("mine")
    result = run(elsewhere / "egs/TEMPLATE/ssl1/setup.sh", tmp_path / "kept")
    assert result.returncode == 1
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["file"]
    assert run(elsewhere / "egs/TEMPLATE/ssl1/setup.sh").returncode == 2


def test_a_failing_data_script_ends_the_recipe(elsewhere, tmp_path):
    result = run(
        elsewhere / "egs/mini_librispeech/ssl1/run.sh",
        *("--datadir", tmp_path / "data", "--dumpdir", tmp_path / "dump", "--expdir", tmp_path / "exp"),
        LIBRISPEECH=str(tmp_path / "no corpus"),
    )
    assert result.returncode != 0
    assert f"{tmp_path}/no corpus" in result.stderr
    assert "Stage 2" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--study", "no_such_study"], "no_such_study"),
        (["--runs", "hubert_it3"], "hubert_it2"),
        (["--analysis", "abxx"], "no analysis configuration 'abxx' (did you mean abx?)"),
        (["--stage", "13"], "--stage"),
        (["--train_args", "lerning_rate=1"], "did you mean learning_rate"),
        (["--skip_stages", "4 x"], "--skip_stages"),
        (["--valid_set", "train"], "expected three different sets, got 'train', 'train' and 'eval'"),
    ],
)
def test_refused_before_any_work(elsewhere, tmp_path, arguments, named):
    folders = ("--datadir", tmp_path / "data", "--dumpdir", tmp_path / "dump", "--expdir", tmp_path / "exp")
    result = run(elsewhere / "egs/synth/ssl1/run.sh", *folders, *arguments)
    assert result.returncode == 1
    assert named in result.stderr
    assert not (tmp_path / "data").exists()


TO_ARRAYS = {
    "ssl1": ("dumpdir", "expdir", "train_set", "valid_set", "eval_set", "lexicon", "wandb", "study", "models"),
    "asr1": (
        "dumpdir",
        "expdir",
        "train_set",
        "valid_set",
        "eval_set",
        "lexicon",
        "ssl",
        "ssl_dumpdir",
        "ssl_expdir",
        "asr_config",
    ),
}
"""Options whose values arrays of jobs get."""


@pytest.mark.parametrize(
    ("kind", "option"), [(kind, option) for kind, options in TO_ARRAYS.items() for option in options]
)
def test_a_launcher_s_variable_is_refused_in_all_that_arrays_of_jobs_get(elsewhere, tmp_path, kind, option):
    study = elsewhere / "conf/study/demo.yaml"
    (tmp_path / "JOBS").mkdir()
    value = {
        "models": f"theirs={tmp_path}/JOBS/model", "asr_config": "phone=JOBS.yaml",
        "study": shutil.copy(study, tmp_path / "JOBS"),
    }.get(option, f"{tmp_path}/JOBS/x")  # fmt: skip
    values = {"study": "demo", "dumpdir": tmp_path / "dump", "expdir": tmp_path / "exp"} | {option: value}
    words = [word for name, each in values.items() for word in (f"--{name}", str(each))]
    result = run(elsewhere / f"egs/synth/{kind}/run.sh", *words)
    assert result.returncode == 1
    assert "a job's number in the place of JOB" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["JOBS"]


class TestActivate:
    """tools/activate_python.sh: which Python a recipe runs with."""

    def shell(self, project: Path, **environment: str) -> subprocess.CompletedProcess:
        script = f'set -euo pipefail; . "{project}/tools/activate_python.sh" && command -v python3'
        return run("bash", "-c", script, **{"VIRTUAL_ENV": "", "CONDA_PREFIX": "", **environment})

    def fake_environment(self, folder: Path, has_package: bool) -> Path:
        (folder / "bin").mkdir(parents=True)
        for name in ("python", "python3"):
            (folder / "bin" / name).write_text(f"#!/bin/sh\nexit {0 if has_package else 1}\n")
            (folder / "bin" / name).chmod(0o755)
        return folder

    def test_own_environment_with_the_package_is_used(self, elsewhere, tmp_path):
        own = self.fake_environment(tmp_path / "my env", has_package=True)
        assert self.shell(elsewhere, VIRTUAL_ENV=str(own)).stdout.strip() == f"{own}/bin/python3"
        assert self.shell(elsewhere, CONDA_PREFIX=str(own)).stdout.strip() == f"{own}/bin/python3"

    def test_own_environment_without_the_package_is_not(self, elsewhere, tmp_path):
        own = self.fake_environment(tmp_path / "my env", has_package=False)
        result = self.shell(elsewhere, VIRTUAL_ENV=str(own))
        assert result.stdout.strip() == f"{elsewhere}/tools/venv/bin/python3"
        assert str(own) in result.stderr

    def test_no_environment_at_all(self, tmp_path):
        (tmp_path / "tools").mkdir()
        shutil.copy(ROOT / "tools/activate_python.sh", tmp_path / "tools")
        result = self.shell(tmp_path)
        assert result.returncode == 1
        assert "install.sh" in result.stderr
