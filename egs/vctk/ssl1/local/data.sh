#!/usr/bin/env bash
# VCTK 0.92 into data directories: twelve speakers for analysis, the others for training and validation.
# shellcheck disable=SC2034  # every local/data.sh takes the same options, whether it has a use for them or not
# shellcheck disable=SC2046,SC2086  # speakers are a list of words
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Options
corpus=         # Folder with wav48_silence_trimmed, txt and speaker-info.txt; empty for that of db.sh.
textgrids=      # Not used here.
download=false  # This recipe downloads nothing.
datadir=data    # Where the data directories go.
train_set=train # Name of the training set.
valid_set=valid # Name of the validation set.
eval_set="eval" # Name of the evaluation set.
mic=mic1        # Microphone: mic1, or mic2, which p280 lacks.
eval_speakers=p225,p226,p234,p237,p238,p245,p266,p292,p294,p302,p303,p311  # Speakers of the evaluation set.
valid_every=100 # Of the other speakers' utterances one in so many is for validation.
nj=1            # Not used here.
seed=0          # Which of so many utterances is for validation.

. utils/parse_options.sh
. ./path.sh
. ./db.sh
die() { echo "ERROR: local/data.sh: $*" >&2 && exit 1; }
if ${download}; then die "--download true: this recipe downloads nothing; its README.md says where VCTK is found"; fi
corpus=$(realpath -sm "${corpus:-${VCTK:-downloads/VCTK-Corpus-0.92}}")
for path in txt speaker-info.txt $(printf 'wav48_silence_trimmed/%s ' ${eval_speakers//,/ }); do
    [ -e "${corpus}/${path}" ] || die "no ${corpus}/${path}: give the folder of VCTK 0.92 by --corpus DIR, VCTK or db.sh"
done
# Made aside: a table that stays as it was keeps its time, and stage 2 need not decode all audio again.
new=${datadir}/.new
rm -rf "${new}" && mkdir -p {"${datadir}","${new}"}/{"${train_set}","${valid_set}","${eval_set}"}
# The words of wav48_silence_trimmed/p225/p225_001_mic1.flac are in txt/p225/p225_001.txt; all of p315 lack theirs.
find -L "${corpus}/wav48_silence_trimmed" -name "*_${mic}.flac" | sort | awk -v txt="${corpus}/txt" -v new="${new}" \
    -v train_set="${train_set}" -v valid_set="${valid_set}" -v eval_set="${eval_set}" \
    -v eval_speakers="${eval_speakers}" -v every="${valid_every}" -v seed="${seed}" '
    NR == FNR { gender[$1] = tolower($3); next }
    {
        name = $0; sub(".*/", "", name); sub("_mic[0-9].flac$", "", name)
        speaker = name; sub("_.*", "", speaker); file = txt "/" speaker "/" name ".txt"
        if ((getline words < file) <= 0) { silent++; next }
        close(file); words = toupper(words); gsub("[^A-Z\047]+", " ", words); gsub("^ | $", "", words)
        set = n % every == seed % every ? valid_set : train_set
        if (index("," eval_speakers ",", "," speaker ",")) set = eval_set; else n++
        print name, $0 > (new "/" set "/wav.scp")
        print name, speaker > (new "/" set "/utt2spk")
        print name, words > (new "/" set "/text")
        if (speaker in gender && !seen[set, speaker]++) print speaker, gender[speaker] > (new "/" set "/spk2gender")
    }
    END { print "local/data.sh: left out for want of a transcript: " silent + 0 }' "${corpus}/speaker-info.txt" -
for set in "${train_set}" "${valid_set}" "${eval_set}"; do
    [ -e "${new}/${set}/wav.scp" ] || die "no *_${mic}.flac for ${set}: see --mic, --valid_every, --eval_speakers"
    for table in "${new}/${set}"/*; do
        cmp -s "${table}" "${datadir}/${set}/${table##*/}" || mv "${table}" "${datadir}/${set}/"
    done
done
rm -rf "${new}"
