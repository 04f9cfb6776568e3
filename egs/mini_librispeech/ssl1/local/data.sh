#!/usr/bin/env bash
# LibriSpeech's train-clean-5 (less some validation utterances) and test-other into data directories.
# shellcheck disable=SC2034  # every local/data.sh takes the same options, whether it has a use for them or not
# shellcheck disable=SC2086  # parts are lists of words
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log() {
    echo "$(date '+%Y-%m-%dT%H:%M:%S') (${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}

# Options
corpus=           # LibriSpeech folder with train-clean-5 and test-other; empty for that of db.sh.
textgrids=        # Not used here.
download=false    # This recipe downloads nothing.
datadir=data      # Where the data directories go.
train_set=train   # Name of the training set.
valid_set=valid   # Name of the validation set.
eval_set="eval"   # Name of the evaluation set.
train_parts=train-clean-5 # Parts of the corpus that make the training set.
eval_parts=test-other     # Parts that make the evaluation set.
num_valid=40      # Validation utterances, taken out of the training set.
nj=1              # Not used here.
seed=0            # Seed of the choice of validation utterances.

. utils/parse_options.sh
. ./path.sh
. ./db.sh

corpus=${corpus:-${LIBRISPEECH}}
for part in ${train_parts} ${eval_parts}; do
    if [ ! -d "${corpus}/${part}" ]; then
        echo "ERROR: local/data.sh: no folder ${corpus}/${part}. Give the LibriSpeech folder by --corpus DIR," \
            "by the environment variable LIBRISPEECH or in db.sh" >&2
        exit 1
    fi
done
if ${download}; then log "Nothing to download: this recipe takes a corpus that is there (see egs/librispeech)"; fi

python3 -m hubert_iter.bin.prepare_librispeech --corpus "${corpus}" --parts ${train_parts} \
    --out "${datadir}/${train_set}" --valid_out "${datadir}/${valid_set}" --num_valid "${num_valid}" --seed "${seed}"
python3 -m hubert_iter.bin.prepare_librispeech --corpus "${corpus}" --parts ${eval_parts} --out "${datadir}/${eval_set}"
