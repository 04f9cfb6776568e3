#!/usr/bin/env bash
# HuBERT on LibriSpeech-960, BASE, the paper's settings: settings only. Options given here override them; see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./db.sh

./ssl.sh \
    --study paper \
    --nj 16 \
    --ngpu 8 \
    --textgrids "${LIBRISPEECH_ALIGNMENTS:-downloads/LibriSpeech-Alignments}" \
    --max_missing 200 \
    --portion 0.1 \
    --max_memory_gb 48.0 \
    --max_seconds 36.0 \
    --title "Layers of HuBERT on LibriSpeech-960" \
    --data_note "Trained on LibriSpeech-960, analysed on dev-clean with the public alignments." \
    --language en \
    --datasets openslr/librispeech_asr \
    "$@"
