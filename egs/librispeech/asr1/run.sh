#!/usr/bin/env bash
# Phone and word error rates of the layers of ../ssl1's networks, on GPUs: settings only. Options given here override them;
# see --help. Layers of 960 h take 20 TB: they are computed anew in each epoch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./db.sh

./asr.sh \
    --study paper \
    --nj 8 \
    --ngpu 1 \
    --textgrids "${LIBRISPEECH_ALIGNMENTS:-../ssl1/downloads/LibriSpeech-Alignments}" \
    --max_missing 200 \
    --nbpe 500 \
    "$@"
