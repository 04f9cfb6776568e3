# Source this file to use the project's Python: `. tools/activate_python.sh`.
# An environment of your own that is activated already is used when hubert_iter is installed in it;
# otherwise tools/venv, which tools/install.sh makes.
# shellcheck shell=bash

_hubert_iter_activate() {
    local tools venv own
    tools=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
    venv=${tools}/venv
    own=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
    if [ -n "${own}" ] && [ "${own}" != "${venv}" ]; then
        # -I: neither this folder nor PYTHONPATH counts, only what is installed there.
        if "${own}/bin/python" -I -c 'import hubert_iter' 2>/dev/null; then
            export PATH="${own}/bin:${PATH}"
            return 0
        fi
        echo "activate_python.sh: hubert_iter is not installed in your environment ${own}, using ${venv}." \
            "To use yours: ${own}/bin/pip install -e '${tools%/*}[test]'" >&2
    fi
    if [ ! -x "${venv}/bin/python" ]; then
        echo "ERROR: no Python environment at ${venv}. Make it with '${tools}/install.sh'," \
            "or activate an environment in which you ran: pip install -e '${tools%/*}[test]'" >&2
        return 1
    fi
    export VIRTUAL_ENV=${venv}
    case ":${PATH}:" in
        ":${venv}/bin:"*) ;;
        *) export PATH="${venv}/bin:${PATH}" ;;
    esac
}

_hubert_iter_activate
