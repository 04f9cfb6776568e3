"""Check an installation: each part is tried, and for each one missing it is said what to do about it.

Run by tools/install.sh; by hand: python tools/check_install.py. Exits 1 when anything is missing.
"""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable

INSTALL = "run tools/install.sh --force true (or pip install -e . in your own environment)"


def python() -> str:
    """The interpreter itself."""
    if sys.version_info < (3, 12):  # noqa: UP036  (the one place that an older Python reaches)
        raise RuntimeError(f"expected Python 3.12 or newer, found {sys.version.split()[0]}")
    return sys.version.split()[0]


def torch_and_torchaudio() -> str:
    """Both import together: a CPU-only wheel of torch does not go with torchaudio's PyPI build."""
    torch = importlib.import_module("torch")
    importlib.import_module("torchaudio.compliance.kaldi")
    torch.zeros(2, 2) @ torch.zeros(2, 2)
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU, the processor is used"
    return f"{torch.__version__} + {version('torchaudio')}, {device}"


def espnet() -> str:
    """ESPnet's readers of Kaldi files."""
    importlib.import_module("espnet2.fileio.read_text")
    return version("espnet")


def faiss() -> str:
    """A search on two vectors, since a wrong build fails only there."""
    numpy, library = importlib.import_module("numpy"), importlib.import_module("faiss")
    index = library.IndexFlatL2(2)
    index.add(numpy.eye(2, dtype="float32"))
    if index.search(numpy.eye(2, dtype="float32"), 1)[1].ravel().tolist() != [0, 1]:
        raise RuntimeError("a nearest-neighbour search gives wrong results")
    return version("faiss-cpu")


def espeak() -> str:
    """The speech synthesiser of egs/synth: its library and its voices."""
    ctypes, loader = importlib.import_module("ctypes"), importlib.import_module("espeakng_loader")
    ctypes.CDLL(loader.get_library_path())
    if not os.path.isdir(loader.get_data_path()):
        raise RuntimeError(f"no voices at {loader.get_data_path()}")
    return version("espeakng-loader")


def module(name: str, distribution: str | None = None) -> Callable[[], str]:
    """A check that a module imports."""

    def check() -> str:
        importlib.import_module(name)
        return version(distribution or name)

    return check


def version(distribution: str) -> str:
    """The installed version."""
    return importlib.metadata.version(distribution)


# What to try, and what to do when it fails.
CHECKS: dict[str, tuple[Callable[[], str], str]] = {
    "python": (python, "install Python 3.12 or 3.13, remove tools/venv, run tools/install.sh"),
    "torch + torchaudio": (
        torch_and_torchaudio,
        "install the two from the same index: pip install --force-reinstall torch torchaudio. "
        "torchaudio's PyPI build needs PyPI's (CUDA) build of torch, on machines without a GPU as well",
    ),
    "espnet readers": (espnet, INSTALL),
    "faiss": (faiss, INSTALL + "; a faiss-gpu of your own must provide the module faiss"),
    "kaldiio": (module("kaldiio"), INSTALL),
    "soundfile": (module("soundfile"), INSTALL + "; on some systems also: apt-get install libsndfile1"),
    "espeak library": (espeak, INSTALL + "; only egs/synth needs it"),
    "scipy": (module("scipy"), INSTALL),
    "safetensors": (module("safetensors"), INSTALL),
    "tensorboard": (module("tensorboard"), INSTALL),
    "matplotlib": (module("matplotlib"), INSTALL),
    "hubert_iter": (module("hubert_iter"), INSTALL),
}


def main() -> int:
    """Try everything; the number of faults decides the exit status."""
    faults = 0
    for name, (check, advice) in CHECKS.items():
        try:
            print(f"  ok       {name}: {check()}")
        except Exception as error:  # whatever a broken library raises must end up in the list, not as a traceback
            faults += 1
            print(
                f"  MISSING  {name}: {type(error).__name__}: {error}\n           To mend it: {advice}", file=sys.stderr
            )
    if faults:
        print(f"ERROR: check_install.py: {faults} of {len(CHECKS)} checks failed", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
