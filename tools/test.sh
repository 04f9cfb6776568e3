#!/usr/bin/env bash
# Run the tests in the project's environment; arguments go to pytest, e.g. tools/test.sh test/shell -x
set -euo pipefail
tools=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
. "${tools}/activate_python.sh"
cd "${tools}/.."
# faiss's wrapper warns when Python ends, after pytest's summary, which is to be the last line.
exec python3 -W "ignore:builtin type swig:DeprecationWarning" -m pytest "$@"
