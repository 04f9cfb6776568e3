# Where the corpus is. Set these here, in the environment, or by --corpus and --textgrids of run.sh.
# The default is the folder `shared/data` beside the project.
# shellcheck shell=bash disable=SC2034

_beside=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../.." && pwd)/shared/data
LIBRISPEECH=${LIBRISPEECH:-${_beside}/LibriSpeech}                                  # holds train-clean-5, test-other
LIBRISPEECH_ALIGNMENTS=${LIBRISPEECH_ALIGNMENTS:-${_beside}/LibriSpeech-Alignments} # TextGrids, same layout
