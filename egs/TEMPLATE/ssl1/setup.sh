#!/usr/bin/env bash
# Start a recipe for a new corpus: setup.sh DIR, e.g. egs/TEMPLATE/ssl1/setup.sh egs/mycorpus/ssl1
# run.sh, cmd.sh, conf and local are copied, to be changed; ssl.sh, path.sh, db.sh and utils are links. Then write
# DIR/local/data.sh and set the recipe's settings in DIR/run.sh. egs/TEMPLATE/asr1/setup.sh egs/mycorpus/asr1 does the
# same for recognition on the networks of egs/mycorpus/ssl1, and leaves nothing to write.
set -euo pipefail

if [ $# -ne 1 ] || [[ $1 == -* ]]; then
    echo "Usage: setup.sh DIR, e.g. egs/mycorpus/ssl1" >&2
    if [ "${1:-}" = --help ]; then exit 0; else exit 2; fi
fi
dir=$1
template=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -e "${dir}" ] || [ -L "${dir}" ]; then
    echo "ERROR: setup.sh: ${dir} exists. Choose another folder, or remove it first" >&2
    exit 1
fi

# A recogniser takes cmd.sh and slurm.conf from the ssl1 beside it, by the template's links; without one it gets copies.
links=-L
if [ -L "${template}/cmd.sh" ] && [ -d "$(dirname "${dir}")/ssl1" ]; then links=-P; fi
mkdir -p "${dir}"
for name in run.sh cmd.sh conf local; do
    if [ -e "${template}/${name}" ]; then cp -R "${links}" "${template}/${name}" "${dir}/${name}"; fi
done
for name in ssl.sh asr.sh path.sh db.sh utils; do
    if [ ! -e "${template}/${name}" ]; then continue; fi
    ln -s "$(realpath --relative-to="${dir}" "${template}/${name}")" "${dir}/${name}"
done
next="set the settings in ${dir}/run.sh, run it"
if [ -e "${dir}/local/data.sh" ]; then next="write ${dir}/local/data.sh, ${next}"; fi
echo "setup.sh: made ${dir}. Next: ${next}"
