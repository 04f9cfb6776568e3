#!/usr/bin/env bash
# Recognition on the layers of the study trained in ../ssl1: settings only. Options given here override them; see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

./asr.sh \
    --study mini \
    --nj 2 \
    "$@"
