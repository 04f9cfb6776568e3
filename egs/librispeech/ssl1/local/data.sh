#!/usr/bin/env bash
# LibriSpeech into data directories: 960 h for training, utterances of dev-other for validation, dev-clean for analysis.
# shellcheck disable=SC2034  # every local/data.sh takes the same options, whether it has a use for them or not
# shellcheck disable=SC2086  # parts are lists of words
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log() {
    echo "$(date '+%Y-%m-%dT%H:%M:%S') (${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}

# Options
corpus=          # LibriSpeech folder with train-clean-100, dev-clean, ...; empty for that of db.sh, then downloads/LibriSpeech.
textgrids=       # Where the public alignments go when they are downloaded; empty: they are not.
download=false   # Download what is missing of the corpus and of its public alignments (61 GB).
datadir=data     # Where the data directories go.
train_set=train  # Name of the training set.
valid_set=valid  # Name of the validation set.
eval_set="eval"  # Name of the evaluation set.
train_parts="train-clean-100 train-clean-360 train-other-500"  # Parts of the corpus that make the training set.
valid_parts=dev-other  # Parts that make the validation set.
eval_parts=dev-clean   # Parts that make the evaluation set.
url=             # Where to download from; empty for OpenSLR.
nj=1             # Not used here.
seed=0           # Not used here: whole parts are taken.

. utils/parse_options.sh
. ./path.sh
. ./db.sh

corpus=${corpus:-${LIBRISPEECH:-downloads/LibriSpeech}}
parts="${train_parts} ${valid_parts} ${eval_parts}"
if ${download}; then
    log "Downloading what is missing of ${parts} into ${corpus}, and of alignments into ${textgrids:-no folder}"
    opts=()
    if [ -n "${url}" ]; then opts+=(--url "${url}"); fi
    if [ -n "${textgrids}" ]; then opts+=(--alignments "${textgrids}"); fi
    python3 -m hubert_iter.bin.download_librispeech --parts ${parts} --corpus "${corpus}" \
        ${opts[@]+"${opts[@]}"}
fi
for part in ${parts}; do
    if [ ! -d "${corpus}/${part}" ]; then
        echo "ERROR: local/data.sh: no folder ${corpus}/${part}. Give the LibriSpeech folder by --corpus DIR, by the" \
            "environment variable LIBRISPEECH or in db.sh, or let it be fetched by --download true" >&2
        exit 1
    fi
done

python3 -m hubert_iter.bin.prepare_librispeech --corpus "${corpus}" --parts ${train_parts} --out "${datadir}/${train_set}"
python3 -m hubert_iter.bin.prepare_librispeech --corpus "${corpus}" --parts ${valid_parts} --out "${datadir}/${valid_set}"
python3 -m hubert_iter.bin.prepare_librispeech --corpus "${corpus}" --parts ${eval_parts} --out "${datadir}/${eval_set}"
