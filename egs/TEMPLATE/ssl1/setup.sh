#!/usr/bin/env bash
# Start a recipe for a new corpus: setup.sh DIR, e.g. egs/TEMPLATE/ssl1/setup.sh egs/mycorpus/ssl1
# run.sh, cmd.sh, conf and local are copied, to be changed; ssl.sh, path.sh, db.sh and utils are links. Then write
# DIR/local/data.sh and set the recipe's settings in DIR/run.sh.
set -euo pipefail

if [ $# -ne 1 ] || [[ $1 == -* ]]; then
    echo "Usage: setup.sh DIR, e.g. egs/mycorpus/ssl1" >&2
    if [ "${1:-}" = --help ]; then exit 0; else exit 2; fi
fi
dir=$1
template=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
if [ -e "${dir}" ] || [ -L "${dir}" ]; then
    echo "ERROR: setup.sh: ${dir} exists. Choose another folder, or remove it first" >&2
    exit 1
fi

mkdir -p "${dir}"
for name in run.sh cmd.sh conf local; do
    cp -RL "${template}/${name}" "${dir}/${name}"
done
for name in ssl.sh path.sh db.sh utils; do
    ln -s "$(realpath --relative-to="${dir}" "${template}/${name}")" "${dir}/${name}"
done
echo "setup.sh: made ${dir}. Next: write ${dir}/local/data.sh, set the settings in ${dir}/run.sh, run it"
