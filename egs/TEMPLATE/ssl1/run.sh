#!/usr/bin/env bash
# Settings only: options given on the command line override these; --help lists them all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

./ssl.sh \
    --study mini \
    --nj 4 \
    --title "Layers of HuBERT" \
    "$@"
