#!/usr/bin/env bash
# HuBERT iterations 1 and 2 on VCTK, 44 hours of 109 speakers of English in many accents: settings only. Options given
# here override them; see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./db.sh

./ssl.sh \
    --study mini \
    --nj 4 \
    --textgrids "${VCTK_ALIGNMENTS:-}" \
    --resample true \
    --min_seconds 1.0 \
    --title "Layers of HuBERT on VCTK" \
    --data_note "Trained on VCTK (sentences read in a studio, one microphone), analysed on twelve other speakers of six accents." \
    "$@"
