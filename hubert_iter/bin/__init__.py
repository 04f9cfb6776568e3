"""Entry points: arguments in, one call, exit code out."""

import sys
from importlib.util import find_spec

if find_spec("numpy") is None:
    sys.exit(
        f"ERROR: {sys.executable} has no numpy, so the packages that hubert_iter needs are not installed there. In the "
        "project's folder: tools/install.sh once, then . tools/activate_python.sh in each shell"
    )
