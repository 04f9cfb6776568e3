#!/usr/bin/env bash
# HuBERT iterations 1 and 2 on a few hours of LibriSpeech: settings only. Options given here override them; see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./db.sh

./ssl.sh \
    --study mini \
    --nj 2 \
    --textgrids "${LIBRISPEECH_ALIGNMENTS:-downloads/LibriSpeech-Alignments}" \
    --max_missing 10 \
    --portion 1.0 \
    --max_memory_gb 2.0 \
    --title "Layers of HuBERT on a few hours of LibriSpeech" \
    --data_note "Trained on a few hours of LibriSpeech, analysed on other speakers; phone times by an automatic aligner." \
    --language en \
    --datasets openslr/librispeech_asr \
    "$@"
