"""A program imports no more than its work takes, and one that finds it done next to nothing: recipes start dozens."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ROOT, Corpus

from hubert_iter.bin import align_data, filter_data, label, layers

# numpy alone takes twice as long to import as all the rest of such a call.
HEAVY = ("numpy", "torch", "torchaudio", "scipy", "soundfile", "kaldiio", "faiss", "matplotlib")
CALL = f"""
import importlib, logging, sys
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
importlib.import_module("hubert_iter.bin." + sys.argv[1]).main(sys.argv[2:])
print("loaded:", *(name for name in {HEAVY} if name in sys.modules))
"""


@pytest.fixture
def calls(corpus: Corpus, tmp_path: Path) -> dict[str, list[str]]:
    """The options of each entry point, for work that is done."""
    root = corpus.data.parent
    mfcc = ["--mfcc", str(root / "mfcc/valid")]
    data = ["--data", str(corpus.valid_data)]
    (tmp_path / "phones.ctm").write_text("".join(f"{name} 1 0.1 0.2 ah\n" for name in _utterances(corpus.valid_data)))
    (tmp_path / "words.ctm").write_text("".join(f"{name} 1 0.1 0.2 a\n" for name in _utterances(corpus.valid_data)))
    options = {
        "filter_data": [*data, "--out", str(tmp_path / "filtered")],
        "align_data": [*data, "--ctm_dir", str(tmp_path), "--out", str(tmp_path / "aligned")],
        "make_mfcc": [*data, "--out", str(root / "mfcc/valid")],
        "merge_mfcc": [*data, "--out", str(root / "mfcc/valid")],
        "fit_kmeans": [
            "--data", str(corpus.data), "--mfcc", str(root / "mfcc/train"), "--out", str(root / "kmeans"),
            "--k", str(corpus.k), "--portion", "1.0",
        ],
        "make_labels": [*data, *mfcc, "--kmeans", str(root / "kmeans"), "--out", str(corpus.valid_labels)],
    }  # fmt: skip
    audio = ["--model", "mfcc", "--audio", str(root / "valid_audio")]
    options["label"] = [*audio, "--kmeans", str(root / "kmeans"), "--out", str(tmp_path / "units")]
    options["layers"] = [*audio, "--out", str(tmp_path / "layers")]
    label.main(options["label"])
    layers.main(options["layers"])
    filter_data.main(options["filter_data"])
    align_data.main(options["align_data"])
    return options


def _utterances(data: Path) -> list[str]:
    return [line.split()[0] for line in (data / "wav.scp").read_text().splitlines()]


@pytest.mark.parametrize(
    "name",
    ["filter_data", "align_data", "make_mfcc", "merge_mfcc", "fit_kmeans", "make_labels", "label", "layers"],
)
def test_a_call_that_finds_its_work_done_imports_nothing_heavy(calls, name):
    command = [sys.executable, "-c", CALL, name, *calls[name]]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_who_runs_a_network_does_not_import_the_compiler():
    """Which takes longer to import than all the rest but torch itself."""
    code = """
import sys
from hubert_iter.analysis import statistics
from hubert_iter.feats import layers
from hubert_iter.models import cpu
assert "torch" in sys.modules
print(*(name for name in ("torch._dynamo", "scipy.stats") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done
