#!/usr/bin/env bash
# Run the tests in the project's environment: all of them, in two processes, or what arguments to pytest say, e.g.
# tools/test.sh test/shell -x
set -euo pipefail
tools=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "${tools}/activate_python.sh"
cd "${tools}/.."
if [ $# -eq 0 ]; then set -- -n 2 --dist loadfile --no-loadscope-reorder; fi
# faiss's wrapper warns when Python ends, after pytest's summary, which is to be the last line.
export PYTHONWARNINGS="ignore:builtin type swig:DeprecationWarning"
exec python3 -m pytest "$@"
