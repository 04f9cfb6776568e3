#!/usr/bin/env bash
# HuBERT iterations 1 and 2 on synthetic speech, in minutes on two cores: settings only. Options given here override
# them; see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

./ssl.sh \
    --study demo \
    --nj 2 \
    --min_seconds 1.0 \
    --portion 1.0 \
    --max_memory_gb 2.0 \
    --title "Layers of HuBERT on synthetic speech" \
    --data_note "The speech is synthetic (espeak-ng, exact phone and word times). Its speakers are voices of one \
synthesiser: they are much easier to tell apart, and their phones much more regular, than those of people." \
    --language en \
    "$@"
