# Sourced by every recipe script: locale, Python environment, project root.
# shellcheck shell=bash

MAIN_ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../.." && pwd)
export MAIN_ROOT

# Kaldi's files are sorted in C order: without this, sort and join differ between machines.
export LC_ALL=C
export PYTHONUTF8=1

# shellcheck source=/dev/null
. "${MAIN_ROOT}/tools/activate_python.sh" || exit 1

# This checkout's code wins over an installed copy.
export PYTHONPATH="${MAIN_ROOT}${PYTHONPATH:+:${PYTHONPATH}}"
