#!/usr/bin/env bash
# Recognition on the layers of a study's networks, by ESPnet: all stages. A recipe's run.sh calls this with its settings.
# The study is trained first, in the folder ssl1 beside (ssl.sh, stages 1 to 7 and 9). Stages that are done are skipped.
set -euo pipefail

log() {
    echo "$(date '+%Y-%m-%dT%H:%M:%S') (${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}
SECONDS=0

# Which work to do
stage=1            # First stage: 1 tokens; for each network 2 training, 3 decoding, 4 error rates; 5 table and report.
stop_stage=5       # Last stage.
study=mini         # The study whose networks are used: a file, or a name as ssl.sh takes it.
runs=              # Only these runs of the study; empty for all.
baselines="mfcc logmel"  # Features without a network, recognised from like a layer.

# Machine
nj=2               # Jobs in parallel on this machine or the cluster: networks side by side. With GPUs as many as there are.
ngpu=0             # 1: a GPU for each job; 0: processors.
max_features_gb=20.0  # Layers of a frozen network are computed once and kept during training, unless they take more disk.
python=python3     # Python to run.

# Folders
ssl=../ssl1        # Where the study was trained: its dump/data and its exp.
ssl_dumpdir=       # Its dump; empty for dump in there.
ssl_expdir=        # Its exp; empty for exp in there.
dumpdir=dump       # Alignments, tokens.
expdir=exp         # Recognisers, error rates, table.

# Data
train_set=train    # Name of the training set.
valid_set=valid    # Name of the validation set.
eval_set="eval"    # Name of the evaluation set.
alignments=given   # Phone times, for phones: given (--textgrids, or CTM files), or make (English, by pocketsphinx).
textgrids=         # For phones: folder of Praat TextGrid alignments; empty: phones.ctm and words.ctm of the data.
silence_phones=    # Names of silence and noise in them, beside the usual ones, as for ssl.sh.
lexicon=           # Pronunciations for --alignments make, as for ssl.sh.
ctm_dir=           # Where phones.ctm of each set is if not in TextGrids; empty for data in the folder ssl1.
fix=false          # Leave out utterances with a faulty alignment and report them, instead of stopping.
max_missing=0      # Utterances per set that may lack an alignment: phones are not learnt from them.

# Recognition
asr_config="phone=ctc_linear bpe=ctc_branchformer"  # What is recognised and by which recogniser, UNIT=YAML ...: units are phone, bpe
                   # and char; a YAML is ESPnet's, a file or a name looked up in conf/asr and then in the project's.
nbpe=100           # Subword units.
beam=0             # Hypotheses in beam search; 0 decodes greedily by CTC.
ctc_weight=1.0     # CTC's share of the score in beam search: 1 where there is no attention decoder.
ngram_order=0      # Longest n-gram of an n-gram model of tokens for beam search; 0 for none.
ngram_weight=0.3   # Its weight.
reference=random   # What the table compares the other networks with.

# Braces as in ssl.sh: bash reads all of the script now.
{

. utils/parse_options.sh
. ./path.sh
. ./cmd.sh
. utils/jobs.sh
. utils/align_set.sh

die() { echo "ERROR: asr.sh: $*" >&2 && exit 1; }
for number in "${stage}" "${stop_stage}"; do
    case ${number} in [1-5]) ;; *) die "--stage and --stop_stage: expected 1 to 5, got '${number}'" ;; esac
done
case ${alignments} in
    given | make) ;;
    *) die "--alignments: expected given or make, got '${alignments}'. Words need none: --asr_config \"bpe=ctc_branchformer\"" ;;
esac
if [[ ! ${nj} =~ ^[1-9][0-9]*$ ]]; then die "--nj: expected a whole number of at least 1, got '${nj}'"; fi
for task in ${asr_config}; do
    case ${task} in phone=?* | bpe=?* | char=?*) ;; *) die "--asr_config: expected phone=, bpe= or char= and a YAML, got '${task}'" ;; esac
done
if [ "${ngram_order}" -gt 0 ] && [ "${beam}" -eq 0 ]; then die "--ngram_order ${ngram_order}: greedy decoding takes no n-gram model. Give --beam too"; fi
data=${ssl_dumpdir:-${ssl}/dump}/data
study_file=
for file in "${study}" "${ssl}/conf/study/${study}.yaml" "${MAIN_ROOT}/conf/study/${study}.yaml"; do
    if [ -z "${study_file}" ] && [ -f "${file}" ]; then study_file=${file}; fi
done
[ -n "${study_file}" ] || die "no study '${study}': neither a file, nor in ${ssl}/conf/study, nor in ${MAIN_ROOT}/conf/study"
conf_dirs=(conf "$(realpath --relative-to=. "${MAIN_ROOT}/conf")")
study_name=$(basename "${study_file}" .yaml)
# What goes to an array of jobs. The networks' paths do not: each job finds its own in a table.
no_job_in "${study_name}" "${conf_dirs[@]}" "${ssl}" "${ssl_dumpdir}" "${ssl_expdir}" "${dumpdir}" "${expdir}" "${train_set}" "${valid_set}" "${eval_set}" \
    "${lexicon}" "${asr_config}" "${python}"
ssl_exp=${ssl_expdir:-${ssl}/exp}/${study_name}
exp=${expdir}/${study_name}
logs=${exp}/log
on_gpu=false
job_cmd="${train_cmd} --max-jobs ${nj}"
if [ "${ngpu}" -gt 0 ]; then
    on_gpu=true
    job_cmd="${cuda_cmd} --gpu 1"
fi
extras=asr
if [ "${ngram_order}" -gt 0 ]; then extras+=" ngram"; fi
search=(--beam "${beam}" --ctc_weight "${ctc_weight}" --ngram_weight "${ngram_weight}")
decoding=greedy
if [ "${beam}" -gt 0 ]; then decoding=beam${beam}_ctc${ctc_weight}; fi
if [ "${ngram_order}" -gt 0 ]; then decoding+=_${ngram_order}gram${ngram_weight}; fi

# The networks, "name, model" a row of a table that the stages' arrays of jobs read.
# shellcheck disable=SC2086  # lists of words
plan=$(${python} -m hubert_iter.bin.plan --study "${study_file}" --runs ${runs} --extras ${extras})
rows=$(
    for name in ${baselines}; do printf '%s\t%s\n' "${name}" "${name}"; done
    while IFS=$'\t' read -r name _ _ _ _ _ _ _ _ _ _ _ pretrained _ leg; do
        if [ "${leg}" = leg ]; then continue; fi
        model=${ssl_exp}/${name}/model
        if [ "${pretrained}" != - ]; then model=${pretrained}; fi
        if [ ! -e "${model}" ] && [ "${pretrained}" = - ]; then
            die "${name}: no ${model}. Train the study first (${ssl}/run.sh --study ${study}), or name others by --runs"
        fi
        printf '%s\t%s\n' "${name}" "${model}"
    done <<<"${plan}"
)
# Named by its content: another call, with other runs, may be at work.
networks=${logs}/networks.$(cksum <<<"${rows}" | cut -d ' ' -f 1).tsv
mkdir -p "${logs}"
printf 'name\tmodel\n%s\n' "${rows}" >"${networks}"
count=$(($(wc -l <"${networks}") - 1))

# One job for each network: for_all LOG COMMAND ..., with {name} and {model} in the words.
for_all() {
    local name=$1
    shift
    # shellcheck disable=SC2086  # the launcher may carry options
    ${job_cmd} JOB=1:"${count}" "${logs}/${name}.JOB.log" ${python} -m hubert_iter.bin.each --table "${networks}" --row JOB -- \
        ${python} -m "$@"
}
tokens_of() { if [ "$1" = bpe ]; then echo "${dumpdir}/tokens/bpe${nbpe}"; else echo "${dumpdir}/tokens/$1"; fi; }
recogniser_of() { echo "${exp}/{name}/$(basename "$(tokens_of "$1")")_$(basename "$2" .yaml)"; }

if [ "${stage}" -le 1 ] && [ "${stop_stage}" -ge 1 ]; then
    log "Stage 1: tokens: ${dumpdir}/tokens"
    sets=("${data}/${train_set}" "${data}/${valid_set}" "${data}/${eval_set}")
    for task in ${asr_config}; do
        unit=${task%%=*}
        opts=()
        if [ "${unit}" = phone ]; then
            opts=(--alignments "${dumpdir}/alignments")
            for set in "${train_set}" "${valid_set}" "${eval_set}"; do
                align_set "${set}" "${data}/${set}" "${ctm_dir:-${ssl}/data}/${set}" "${textgrids}" "${lexicon}" \
                    --max_missing "${max_missing}" --silence_phones "${silence_phones}" --fix "${fix}"
            done
        fi
        ${python} -m hubert_iter.bin.asr_tokens --unit "${unit}" --data "${sets[@]}" --nbpe "${nbpe}" --out "$(tokens_of "${unit}")" "${opts[@]}"
        if [ "${ngram_order}" -gt 0 ]; then
            ${python} -m hubert_iter.bin.asr_ngram --tokens "$(tokens_of "${unit}")" --set "${train_set}" --order "${ngram_order}" \
                --out "$(tokens_of "${unit}")_${ngram_order}gram"
        fi
    done
fi

for task in ${asr_config}; do
    unit=${task%%=*} config=${task#*=}
    tokens=$(tokens_of "${unit}")
    recogniser=$(recogniser_of "${unit}" "${config}")
    name=$(basename "${recogniser}")

    if [ "${stage}" -le 2 ] && [ "${stop_stage}" -ge 2 ]; then
        log "Stage 2, ${name}: training on ${count} networks: ${recogniser}/model; logs: ${logs}/train_${name}.*.log"
        for_all "train_${name}" hubert_iter.bin.asr_train --model "{model}" --data "${data}/${train_set}" --valid_data "${data}/${valid_set}" \
            --tokens "${tokens}" --config "${config}" --conf_dirs "${conf_dirs[@]}" --max_features_gb "${max_features_gb}" \
            --gpu "${on_gpu}" --out "${recogniser}/model"
    fi

    if [ "${stage}" -le 3 ] && [ "${stop_stage}" -ge 3 ]; then
        log "Stage 3, ${name}: decoding (${decoding}): ${recogniser}/${decoding}_${eval_set}"
        opts=("${search[@]}")
        if [ "${ngram_order}" -gt 0 ]; then opts+=(--ngram "${tokens}_${ngram_order}gram"); fi
        for_all "decode_${name}" hubert_iter.bin.asr_decode --asr "${recogniser}/model" --data "${data}/${eval_set}" --gpu "${on_gpu}" \
            --out "${recogniser}/${decoding}_${eval_set}" "${opts[@]}"
    fi

    if [ "${stage}" -le 4 ] && [ "${stop_stage}" -ge 4 ]; then
        log "Stage 4, ${name}: error rates: ${recogniser}/${decoding}_${eval_set}_errors"
        for_all "score_${name}" hubert_iter.bin.asr_score --decoded "${recogniser}/${decoding}_${eval_set}" --tokens "${tokens}" \
            --data "${data}/${eval_set}" --out "${recogniser}/${decoding}_${eval_set}_errors"
    fi
done

if [ "${stage}" -le 5 ] && [ "${stop_stage}" -ge 5 ]; then
    log "Stage 5: table: ${exp}/table; for the study's report: ${ssl_exp}/*/measures/recognition.*"
    folders=()
    for task in ${asr_config}; do
        unit=${task%%=*}
        recogniser=$(recogniser_of "${unit}" "${task#*=}")
        name=$(basename "${recogniser}")
        # A folder for each recogniser, decoding and set: another call, with others or of some networks, adds to what is there.
        measure=measures/recognition.${name}_${decoding}_${eval_set}
        for_all "measure_${name}" hubert_iter.bin.asr_measure --name "{name}" --model "{model}" --unit "${unit}" \
            --recogniser "${recogniser}/model" --errors "${recogniser}/${decoding}_${eval_set}_errors" \
            --settings recogniser="${name}" decoding="${decoding}" set="${eval_set}" --out "${ssl_exp}/{name}/${measure}"
        while read -r network; do
            folders+=("${ssl_exp}/${network}/${measure}")
        done < <(tail -n +2 "${networks}" | cut -f 1)
    done
    ${python} -m hubert_iter.bin.asr_table --study "${study_file}" --scores "${folders[@]}" --reference "${reference}" --out "${exp}/table"
    cat "${exp}/table/error_rates.md"
    log "The study's report takes these up: in ${ssl}, ./run.sh --study ${study} --stage 11 --stop_stage 11"
fi
log "Finished in ${SECONDS} s"
exit 0

}
