import subprocess
import sys

import pytest
import torch
from tiny import ROOT

from hubert_iter.bin import cli
from hubert_iter.errors import UserError

BINS = sorted(path.stem for path in (ROOT / "hubert_iter/bin").glob("*.py") if path.stem not in ("__init__", "cli"))


@pytest.mark.parametrize("words", [["--studdy", "x"], ["--studdy=x"], ["--study", "s.yaml", "--studdy", "x"]])
def test_unknown_option_exits_2_and_names_the_nearest(words, capsys):
    parser = cli.ArgumentParser("test")
    parser.add_argument("--study", required=True)
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(words)
    assert stopped.value.code == 2
    assert "--studdy (did you mean --study?)" in capsys.readouterr().err


def test_abbreviations_and_positional_words_are_refused():
    parser = cli.ArgumentParser("test")
    parser.add_argument("--study")
    for words in (["--stu", "x"], ["x"]):
        with pytest.raises(SystemExit) as stopped:
            parser.parse_args(words)
        assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [(UserError("f:1: utterance u: x"), 1), (OSError(28, "No space left", "/f"), 1), (KeyboardInterrupt(), 130)],
)
def test_errors_become_messages_and_exit_codes(error, code, capsys):
    def main():
        raise error

    with pytest.raises(SystemExit) as stopped:
        cli.run(main)
    assert stopped.value.code == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_gpu_whose_memory_is_too_small_ends_with_advice(capsys):
    def main():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB")

    with pytest.raises(SystemExit) as stopped:
        cli.run(main)
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert "Tried to allocate 3 GiB" in said and "--ngpu 0" in said and "--max_seconds" in said


def test_other_faults_of_the_program_keep_their_traceback():
    def main():
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError, match="a fault of ours"):
        cli.run(main)


@pytest.mark.parametrize("name", BINS)
def test_every_entry_point_explains_itself_without_loading_torch(name):
    code = (
        "import sys, importlib\n"
        f"module = importlib.import_module('hubert_iter.bin.{name}')\n"
        "try:\n    module.main(['--help'])\nexcept SystemExit as stopped:\n    assert stopped.code == 0\n"
        "heavy = {'torch', 'faiss', 'matplotlib', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--" in done.stdout
