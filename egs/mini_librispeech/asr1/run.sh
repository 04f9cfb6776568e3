#!/usr/bin/env bash
# Phone and word error rates of the layers of ../ssl1's networks: settings only. Options given here override them; see
# --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./db.sh

./asr.sh \
    --study mini \
    --nj 2 \
    --textgrids "${LIBRISPEECH_ALIGNMENTS:-../ssl1/downloads/LibriSpeech-Alignments}" \
    --max_missing 2000 \
    --nbpe 100 \
    "$@"
