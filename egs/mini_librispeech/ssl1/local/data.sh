#!/usr/bin/env bash
# Mini LibriSpeech into data directories: train-clean-5 for training, less some validation utterances, other speakers
# for analysis.
# shellcheck disable=SC2034  # every local/data.sh takes the same options, whether it has a use for them or not
# shellcheck disable=SC2086  # parts are lists of words
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log() {
    echo "$(date '+%Y-%m-%dT%H:%M:%S') (${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}

# Options
corpus=           # LibriSpeech folder with the parts below; empty for that of db.sh, then downloads/LibriSpeech.
textgrids=        # Where the public alignments go when they are downloaded; empty: they are not.
download=false    # Download what is missing of the parts (0.5 GB) and of their public alignments (0.6 GB).
datadir=data      # Where the data directories go.
train_set=train   # Name of the training set.
valid_set=valid   # Name of the validation set.
eval_set="eval"   # Name of the evaluation set.
train_parts=train-clean-5 # Parts of the corpus that make the training set.
eval_parts=       # Parts that make the evaluation set; empty: test-other where the corpus has it, otherwise dev-clean-2.
num_valid=40      # Validation utterances, taken out of the training set.
url=              # Folder to download the parts from, say a mirror; empty for OpenSLR.
alignments_url=   # Zip or tar.gz to take the alignments from; empty for Zenodo.
nj=1              # Not used here.
seed=0            # Seed of the choice of validation utterances.

. utils/parse_options.sh
. ./path.sh
. ./db.sh

corpus=${corpus:-${LIBRISPEECH:-downloads/LibriSpeech}}
if [ -z "${eval_parts}" ]; then
    eval_parts=dev-clean-2
    if [ -d "${corpus}/test-other" ]; then eval_parts=test-other; fi
    log "Evaluation set: ${eval_parts}"
fi
if ${download}; then
    log "Downloading what is missing of ${train_parts} ${eval_parts} into ${corpus}, and of alignments into ${textgrids:-no folder}"
    opts=()
    if [ -n "${url}" ]; then opts+=(--url "${url}"); fi
    if [ -n "${textgrids}" ]; then opts+=(--alignments "${textgrids}"); fi
    if [ -n "${alignments_url}" ]; then opts+=(--alignments_url "${alignments_url}"); fi
    python3 -m hubert_iter.bin.download_librispeech --parts ${train_parts} ${eval_parts} --corpus "${corpus}" \
        ${opts[@]+"${opts[@]}"}
fi
for part in ${train_parts} ${eval_parts}; do
    if [ ! -d "${corpus}/${part}" ]; then
        echo "ERROR: local/data.sh: no folder ${corpus}/${part}. Either let it be fetched: --download true. Or name a" \
            "LibriSpeech folder that has it, by --corpus DIR, the environment variable LIBRISPEECH or db.sh, and its" \
            "TextGrids by --textgrids DIR or LIBRISPEECH_ALIGNMENTS" >&2
        exit 1
    fi
done

python3 -m hubert_iter.bin.prepare_librispeech --corpus "${corpus}" --parts ${train_parts} \
    --out "${datadir}/${train_set}" --valid_out "${datadir}/${valid_set}" --num_valid "${num_valid}" --seed "${seed}"
python3 -m hubert_iter.bin.prepare_librispeech --corpus "${corpus}" --parts ${eval_parts} --out "${datadir}/${eval_set}"
