#!/usr/bin/env bash
# Recognition on the layers of ../ssl1's networks, synthetic speech: settings only. Options given here override them; see
# --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

./asr.sh \
    --study demo \
    --nj 2 \
    --nbpe 60 \
    "$@"
