"""Run one of ESPnet's own programs with our front end known to it: espnet.py PROGRAM --OPTION VALUE ...

For example `python -m hubert_iter.bin.espnet asr_train --config train.yaml ...`, with `frontend: hubert_iter` and
`frontend_conf: {model: exp/mini/hubert_it2/model}` in the YAML; all else is as ESPnet has it.
"""

import importlib
import sys

from hubert_iter.bin import cli
from hubert_iter.errors import UserError

PROGRAMS = ("asr_train", "asr_inference")


def main(argv=None) -> None:
    """Hand the options on."""
    program, *options = (sys.argv[1:] if argv is None else argv) or [""]
    if program == "--help":
        print(__doc__)
        sys.exit(0)
    if program not in PROGRAMS:
        raise UserError(f"expected one of ESPnet's programs {', '.join(PROGRAMS)}, found '{program}'")
    from hubert_iter.asr.frontend import register

    register()
    importlib.import_module(f"espnet2.bin.{program}").main(options)


if __name__ == "__main__":
    cli.run(main)
