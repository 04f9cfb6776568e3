# Source this file after jobs.sh. It reads the options alignments and nj, and dumpdir, logs, python and train_cmd.
# shellcheck shell=bash disable=SC2154,SC2086

# Phone and word times of a set, from where --alignments says, into dump/alignments/SET:
# align_set SET DATA_DIR CTM_DIR TEXTGRIDS LEXICON OPTION_OF_ALIGN_DATA ...
align_set() {
    local set=$1 data=$2 textgrids=$4 lexicon=$5 opts=(--ctm_dir "$3")
    shift 5
    if [ "${alignments}" = none ]; then
        opts=(--without true)
    elif [ "${alignments}" = make ]; then
        over_set "${nj}" "${train_cmd}" "${logs}/align_${set}" \
            hubert_iter.bin.make_alignments hubert_iter.bin.make_alignments hubert_iter.bin.merge_alignments \
            --data "${data}" --out "${dumpdir}/made_alignments/${set}" --lexicon "${lexicon}"
        opts=(--ctm_dir "${dumpdir}/made_alignments/${set}")
    elif [ -n "${textgrids}" ]; then
        opts=(--textgrids "${textgrids}")
    fi
    ${python} -m hubert_iter.bin.align_data --data "${data}" --out "${dumpdir}/alignments/${set}" --nj "${nj}" \
        "${opts[@]}" "$@"
}
