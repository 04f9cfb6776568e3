"""Shared by all tests: where the project and the real data are, and a tiny corpus taken through the real stages."""

import os
import signal
import sys
from pathlib import Path

# Before numpy and torch are loaded: small products are faster on one thread, and runs are repeatable.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from tiny import ROOT, Corpus, write_noise


def pytest_configure() -> None:
    """A shell that starts the tests in the background makes them, and what they start, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Of several processes (tools/test.sh) one takes test/recipe, whose run is shared; each other file stays whole."""
    from xdist.scheduler import LoadFileScheduling

    class RecipeInOne(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "recipe" if nodeid.startswith("test/recipe/") else super()._split_scope(nodeid)

    return RecipeInOne(config, log)


@pytest.fixture(scope="session")
def real_data() -> Path:
    path = Path(os.environ.get("HUBERT_ITER_DATA", ROOT.parent / "shared" / "data"))
    if not (path / "LibriSpeech").is_dir():
        pytest.skip(f"no real speech at {path}: set HUBERT_ITER_DATA to the folder that holds LibriSpeech")
    return path


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Corpus:
    from hubert_iter.bin import fit_kmeans, make_labels, make_mfcc, merge_mfcc

    root = tmp_path_factory.mktemp("corpus with space")
    k = 7
    for seed, name in enumerate(("train", "valid")):
        write_noise(root / name, 12 if name == "train" else 4, 3.0, seed)
        options = ["--data", str(root / name), "--out", str(root / "mfcc" / name)]
        make_mfcc.main(options)
        merge_mfcc.main(options)
    mfcc = ["--data", str(root / "train"), "--mfcc", str(root / "mfcc/train")]
    fit_kmeans.main([*mfcc, "--out", str(root / "kmeans"), "--k", str(k), "--portion", "1.0"])
    for name in ("train", "valid"):
        features = ["--data", str(root / name), "--mfcc", str(root / "mfcc" / name)]
        make_labels.main([*features, "--kmeans", str(root / "kmeans"), "--out", str(root / "labels" / name)])
    return Corpus(root / "train", root / "valid", root / "labels/train", root / "labels/valid", k)


@pytest.fixture
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def broken_batches(monkeypatch):
    """Positions of batches whose audio is not a number."""
    from hubert_iter.data.dataset import CropReader

    positions: set[int] = set()
    read = CropReader.read

    def read_or_break(self, plan):
        batch = read(self, plan)
        if len(plan.seed) == 3 and plan.seed[2] in positions:  # those of validation have two
            batch.wave.fill_(float("nan"))
        return batch

    monkeypatch.setattr(CropReader, "read", read_or_break)
    return positions


@pytest.fixture
def extend(tmp_path, monkeypatch):
    """A function of a package: a folder whose modules count as the package's too."""
    before, packages = set(sys.modules), []

    def folder_of(package) -> Path:
        folder = tmp_path / f"more {package.__name__}"
        folder.mkdir()
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        packages.append(f"{package.__name__}.")
        return folder

    yield folder_of
    # Else the next test's module of the same name would be this one's.
    for name in set(sys.modules) - before:
        if name.startswith(tuple(packages)):
            del sys.modules[name]
