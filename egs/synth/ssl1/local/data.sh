#!/usr/bin/env bash
# Synthetic speech with exact phone and word times: train, valid and eval data directories.
# shellcheck disable=SC2034  # every local/data.sh takes the same options, whether it has a use for them or not
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Options
corpus=          # Not used here.
textgrids=       # Not used here: the synthesiser itself gives the times.
download=false   # Not used here.
datadir=data     # Where the data directories go.
train_set=train  # Name of the training set; cannot be changed.
valid_set=valid  # Name of the validation set; cannot be changed.
eval_set="eval"  # Name of the evaluation set; cannot be changed.
nj=1             # Not used here.
seed=0           # Draws voices, sentences, pauses.
num_speakers=0           # Speakers of train and eval together; 0 for the default of prepare_synth.
eval_speakers=0          # Of these, speakers of eval; 0 for the default.
sentences_per_speaker=0  # Utterances by each training speaker; 0 for the default.
valid_utterances=0       # Utterances of valid; 0 for the default.

. utils/parse_options.sh
. ./path.sh

if [ "${train_set} ${valid_set} ${eval_set}" != "train valid eval" ]; then
    echo "ERROR: local/data.sh: the sets are named train, valid and eval here, found ${train_set} ${valid_set} ${eval_set}" >&2
    exit 1
fi
opts=()
for name in num_speakers eval_speakers sentences_per_speaker valid_utterances; do
    if [ "${!name}" -gt 0 ]; then opts+=("--${name}" "${!name}"); fi
done
python3 -m hubert_iter.bin.prepare_synth --out "${datadir}" --seed "${seed}" ${opts[@]+"${opts[@]}"}
