#!/usr/bin/env bash
# Turn your corpus into Kaldi data directories. This is the one script that a new corpus needs.
#
# Make ${datadir}/${train_set}, ${datadir}/${valid_set} and ${datadir}/${eval_set}, each with
#   wav.scp utt2spk text, optionally segments and spk2gender; the evaluation set's alignments as
#   phones.ctm words.ctm   <utterance> 1 <start> <duration> <label>, in seconds
# (or leave the two out: docs/alignments.md says what else there is). All files in C order, audio of
# 16 kHz (or --resample true). Stage 2 checks what is made here, says what is wrong with it, and makes the rest.
# shellcheck disable=SC2034  # every local/data.sh takes the same options, whether it has a use for them or not
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Options
corpus=         # Folder of the corpus; empty for that of db.sh.
textgrids=      # Folder of TextGrid alignments, if any.
download=false  # Download the corpus first.
datadir=data    # Where the data directories go.
train_set=train # Name of the training set.
valid_set=valid # Name of the validation set.
eval_set="eval" # Name of the evaluation set.
nj=1            # Jobs in parallel.
seed=0          # Seed of random choices, e.g. of validation utterances.

. utils/parse_options.sh
. ./path.sh
. ./db.sh

echo "ERROR: local/data.sh: write this script for your corpus; egs/vctk/ssl1/local/data.sh is an example" >&2
exit 1
