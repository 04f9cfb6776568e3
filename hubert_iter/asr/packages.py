"""Optional packages that recognition takes: asked for before the first training, not missed after the last."""

import importlib.util
from collections.abc import Iterable

from hubert_iter.errors import UserError

PACKAGES = {"asr": ("editdistance", "jiwer"), "ngram": ("kenlm",)}
"""Extra of the installation -> what of it is used here."""


def check(extras: Iterable[str]) -> None:
    """UserError where a package of these extras is missing."""
    missing = [name for extra in extras for name in PACKAGES[extra] if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"recognition needs {', '.join(missing)}, not installed here: tools/install.sh --extras test,asr,ngram (in "
            "an environment of your own: pip install -e '.[asr,ngram]'). kenlm is for --ngram_order alone"
        )
