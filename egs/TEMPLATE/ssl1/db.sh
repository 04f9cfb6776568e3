# Where corpora are on this machine: set them here, in the environment, or by --corpus and --textgrids of run.sh.
# shellcheck shell=bash disable=SC2034

LIBRISPEECH=${LIBRISPEECH:-}                        # folder with train-clean-100, dev-clean, ...
LIBRISPEECH_ALIGNMENTS=${LIBRISPEECH_ALIGNMENTS:-}  # TextGrids in the same layout
VCTK=${VCTK:-}                                      # folder with wav48_silence_trimmed, txt, speaker-info.txt
VCTK_ALIGNMENTS=${VCTK_ALIGNMENTS:-}                # TextGrids, at any depth
