#!/usr/bin/env bash
# Print the path of a Python 3.12 or 3.13 that can make a virtual environment; exit 1 with advice if there is none.
set -euo pipefail

# "" when the program will do, else why not.
fault() {
    "$1" - 2>/dev/null <<'PYTHON' || echo "does not run"
import sys
if not (3, 12) <= sys.version_info[:2] <= (3, 13):
    print("is Python %d.%d" % sys.version_info[:2])
else:
    missing = []
    for name in ("venv", "ensurepip", "ssl", "ctypes", "sqlite3", "lzma"):
        try:
            __import__(name)
        except ImportError:
            missing.append(name)
    if missing:
        print("lacks " + ", ".join(missing))
PYTHON
}

candidates=()
for name in python3.12 python3.13 python3 python; do
    if path=$(command -v "${name}"); then candidates+=("${path}"); fi
done
for root in "${PYENV_ROOT:-${HOME}/.pyenv}/versions" "${UV_PYTHON_INSTALL_DIR:-${HOME}/.local/share/uv/python}"; do
    for path in "${root}"/*3.12*/bin/python3.12 "${root}"/*3.13*/bin/python3.13; do
        if [ -x "${path}" ]; then candidates+=("${path}"); fi
    done
done

for path in ${candidates[@]+"${candidates[@]}"}; do
    why=$(fault "${path}")
    if [ -z "${why}" ]; then
        echo "${path}"
        exit 0
    fi
    echo "find_python.sh: ${path} ${why}" >&2
done
cat >&2 <<'ADVICE'
ERROR: no Python 3.12 or 3.13 that can make a virtual environment was found. Any one of these provides it:
    pyenv install 3.12
    sudo apt-get install python3.12 python3.12-venv
    uv python install 3.12
    conda create -n py312 python=3.12, then conda activate py312
or name one: tools/install.sh --python /path/to/python3.12
ADVICE
exit 1
