#!/usr/bin/env bash
# Make tools/venv, install the package with its dependencies into it, check the result.
# An environment that is there is completed; one that is up to date costs nothing.
set -euo pipefail

# Options
python=        # Python 3.12 or 3.13 to make the environment with; empty to look for one.
extras="test,asr" # Optional dependencies, apart by commas: test, huggingface, asr, ngram, abx, align, wandb; empty for none.
optional="abx,align,ngram" # Of these, those that cannot be installed on this machine are left out with a word; empty for none.
force=false    # Install and check again although nothing changed.

tools=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=/dev/null
. "${tools}/../egs/TEMPLATE/ssl1/utils/parse_options.sh"

root=$(cd "${tools}/.." && pwd)
venv=${tools}/venv
stamp=${venv}/installed.txt
log() { echo "install.sh: $*"; }

# What the stamp must say: the project's place (an editable install points to it), extras, and both files' contents.
wanted() {
    echo "${root} [${extras}] [${optional}]"
    cat "${root}/setup.py" "${root}/pyproject.toml"
}

if ! ${force} && [ -x "${venv}/bin/python" ] && [ -f "${stamp}" ] && [ "$(wanted)" = "$(cat "${stamp}")" ]; then
    log "${venv} is up to date"
    exit 0
fi

if ! "${venv}/bin/python" -c 'import pip' 2>/dev/null; then
    if [ -z "${python}" ]; then python=$("${tools}/find_python.sh"); fi
    log "making ${venv} with ${python}"
    "${python}" -m venv --clear "${venv}"
fi
rm -f "${stamp}"
log "installing into ${venv} (about 6 GB to download the first time)"
target=${root}
if [ -n "${extras}" ]; then target+="[${extras}]"; fi
# A plain path to the sources: the other way to install them costs 10 ms at each start of Python, of which a recipe has 70.
install() { "${venv}/bin/python" -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat "$@"; }
if ! install --editable "${target}"; then
    echo "ERROR: install.sh: pip failed, see above. The usual causes are no network (behind a proxy set https_proxy)," \
        "too little disk (7 GB are needed; TMPDIR names another place for temporary files). The same command goes on" >&2
    exit 1
fi
for extra in ${optional//,/ }; do
    case ",${extras}," in *",${extra},"*) continue ;; esac
    # Builds only: to compile these needs more than most machines have.
    if ! install --only-binary fastabx,torchdtw --editable "${root}[${extra}]"; then
        log "the extra ${extra} cannot be installed here, see above: what needs it says so, all else works"
    fi
done
"${venv}/bin/python" "${tools}/check_install.py"
wanted >"${stamp}.tmp"
mv "${stamp}.tmp" "${stamp}"
log "done. To use it in a shell: . ${tools}/activate_python.sh"
