#!/usr/bin/env bash
# Self-supervised pre-training over iterations of pseudo-labels, and what its layers encode: all stages.
# A recipe's run.sh calls this with its settings. Stages that are done are skipped with a message.
set -euo pipefail

log() {
    echo "$(date '+%Y-%m-%dT%H:%M:%S') (${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*"
}
SECONDS=0

# Which work to do
stage=1            # First stage: 1 data, 2 filter, 3 alignments, 4 MFCC; for each run 5 k-means, 6 labels, 7 training;
                   # 8 layers, 9 measures, 10 label quality, 11 report, 12 export.
stop_stage=12      # Last stage.
skip_stages=       # Stages to leave out, e.g. "4 12".
study=mini         # Table of runs: a file, or a name looked up in conf/study and then in the project's conf/study.
runs=              # Only these runs of the study in stages 5 to 9 and 12, e.g. "hubert_it2", or one replicate of it,
                   # "hubert_it2.1"; empty for all.
dry_run=false      # Only print what would be trained: runs and legs in order, label sets, updates, hours of audio, disk.
gate=false         # Stop a run that at half of its updates has no prospect of learning to use context; leave out its pupils.
train_args=        # Values for this call, e.g. "learning_rate=1e-3 updates=500 model.layers=4" (names: end of this text).
                   # Its results are those of a study of their name: exp/mini+learning_rate=0.001+...

# Machine
nj=4               # Jobs in parallel for data and features.
ngpu=0             # GPUs per machine for training; 0 trains on the processor.
num_nodes=1        # Machines for training.
teacher_nj=1       # Jobs in parallel by which a trained network runs over a set (frames for k-means, labels, layers), with one GPU
                   # each if there are any; more than 1 pays on a cluster.
run_jobs=          # Runs trained side by side; empty: as many as are independent and this machine has room for (processors,
                   # 4 GB of memory each), 1 with GPUs and with several machines a training; on a cluster all that are independent.
max_memory_gb=4.0  # Memory for the frames that k-means is fitted on.
wandb=             # Project of Weights & Biases to send training metrics to, beside TensorBoard; empty: nothing is sent.
python=python3     # Python to run.

# Folders
datadir=data       # Data directories as prepared by local/data.sh.
dumpdir=dump       # Filtered data, alignments, features, labels.
expdir=exp         # Models, scores, reports.

# Data
corpus=            # Folder of the corpus, for local/data.sh; empty for that of db.sh.
alignments=given   # Phone and word times of the evaluation set: given (--textgrids, or CTM files of local/data.sh), make (English,
                   # by pocketsphinx), or none: then what needs no phones is scored. docs/alignments.md
textgrids=         # Folder of Praat TextGrid alignments; empty: phones.ctm and words.ctm from local/data.sh.
silence_phones=    # Names of silence and noise in them, beside the usual ones, e.g. "pau brth".
lexicon=           # Pronunciations for --alignments make, "<word> <phone> <phone> ..." a line, that go before its dictionary.
download=false     # Download corpus and alignments first (recipes that can).
data_opts=         # More options for local/data.sh, in one word, e.g. "--num_valid 40".
train_set=train    # Name of the training set.
valid_set=valid    # Name of the held-out set that training is validated on.
eval_set="eval"    # Name of the set that layers are analysed on.
min_seconds=2.0    # Shorter training and validation utterances are left out.
max_seconds=40.0   # Longer utterances are left out.
eval_min_seconds=0.1  # Shorter utterances of the evaluation set are left out.
same_speakers=false  # Evaluation speakers may be in training too (a corpus of one speaker); the report says so.
resample=false     # Convert other rates and several channels to 16 kHz and one channel, once, in stage 2.
fix=false          # Drop faulty utterances (stage 2) and alignments (stage 3) and report them, instead of stopping.
max_missing=0      # Utterances per set that may lack an alignment.

# Pseudo-labels
portion=0.1        # Part of the training utterances that k-means is fitted on.
seed=0             # Seed of k-means and of data preparation.

# Analysis
analysis=default   # What is scored: a file, or a name looked up in conf/analysis and then in the project's conf/analysis.
baselines="mfcc logmel"  # Features without a network, scored like a layer.
models=            # Other models to score, "name=path 'name=a path' ...": Hugging Face folders, torchaudio bundles, fairseq files.
dynamics=          # Runs whose course over training is shown on a page of its own: their kept checkpoints are scored too.
checkpoints=false  # Score the runs' kept checkpoints too: the course of scores over training.

# Report and export
title="Layers of HuBERT"  # Title of the report.
data_note=         # What a reader must know about the data, e.g. that they are synthetic.
export_formats="huggingface torchaudio"  # Formats of stage 12: huggingface torchaudio fairseq.
license=apache-2.0 # Licence of the weights, for the model card.
language=          # Codes of the speech's languages, for the model card, e.g. "en".
datasets=          # Names of the corpora on the Hugging Face hub, for the model card, e.g. "openslr/librispeech_asr".
own_units=         # "LAYER K": a k-means of that layer of each exported run is fitted and put beside it, to label audio by.
push_to=           # Repository on the hub to upload Hugging Face folders to, "owner/name-RUN" (RUN: the run's name);
                   # nothing is uploaded without.
push_private=true  # Make that repository a private one.

# bash reads a script as it goes; the braces make it read all of it now, so that a change to this file during a run of
# days does no harm.
{

# What may be set of a study, for parse_options.sh: the end of the help text, and where an option of that name belongs.
# shellcheck disable=SC2329  # which calls it
elsewhere() { (. ./path.sh && ${python} -m hubert_iter.bin.options --study "${study}" "$@"); }

. utils/parse_options.sh
. ./path.sh
. ./cmd.sh
. utils/jobs.sh
. utils/side_by_side.sh
. utils/align_set.sh

skip() { [[ " ${skip_stages} " == *" $1 "* ]]; }
die() { echo "ERROR: ssl.sh: $*" >&2 && exit 1; }

for number in "${stage}" "${stop_stage}" ${skip_stages}; do
    case ${number} in [1-9] | 1[012]) ;; *) die "--stage, --stop_stage and --skip_stages: expected 1 to 12, got '${number}'" ;; esac
done
if [ "${stage}" -gt "${stop_stage}" ]; then
    die "--stage ${stage} --stop_stage ${stop_stage}: expected the first stage not to come after the last one"
fi
whole() { [[ $2 =~ ^[0-9]+$ ]] && [ "$2" -ge "$3" ] || die "--$1: expected a whole number of at least $3, got '$2'"; }
whole nj "${nj}" 1
whole ngpu "${ngpu}" 0
whole teacher_nj "${teacher_nj}" 1
whole num_nodes "${num_nodes}" 1
if [ -n "${run_jobs}" ]; then whole run_jobs "${run_jobs}" 1; fi
no_gpu() { [ "${cuda_cmd%% *}" = utils/local.py ] && ! command -v nvidia-smi >/dev/null; }
if [ "${ngpu}" -gt 0 ] && ! "${dry_run}" && no_gpu; then
    die "--ngpu ${ngpu}: this machine has no GPU (no nvidia-smi). Use --ngpu 0, or a cluster by cmd_backend in cmd.sh"
fi
if [ "$(printf '%s\n' "${train_set}" "${valid_set}" "${eval_set}" | grep . | sort -u | wc -l)" -ne 3 ]; then
    die "--train_set, --valid_set and --eval_set: expected three different sets, got '${train_set}', '${valid_set}'" \
        "and '${eval_set}'"
fi
# What runs a model over a data set: a GPU where there are any.
on_gpu=false
model_cmd=${train_cmd}
if [ "${ngpu}" -gt 0 ]; then
    on_gpu=true
    model_cmd="${cuda_cmd} --gpu 1"
fi
if [ -n "${own_units}" ] && ! [[ ${own_units} =~ ^(conv|[0-9]+)\ [0-9]+$ ]]; then
    die "--own_units: expected a layer and a number of clusters, as '6 500', got '${own_units}'"
fi
conf_dirs=(conf "$(realpath --relative-to=. "${MAIN_ROOT}/conf")")
study_file=
for file in "${study}" "conf/study/${study}.yaml" "${conf_dirs[1]}/study/${study}.yaml"; do
    if [ -z "${study_file}" ] && [ -f "${file}" ]; then study_file=${file}; fi
done
[ -n "${study_file}" ] || die "no study '${study}': neither a file, nor in conf/study, nor in ${MAIN_ROOT}/conf/study"
if [ -n "${train_args}" ]; then
    study_file=$(${python} -m hubert_iter.bin.vary_study --study "${study_file}" --train_args "${train_args}" \
        --conf_dirs "${conf_dirs[@]}" --expdir "${expdir}")
fi
# What goes to an array of jobs. The other options do not, nor does the folder that this runs in: paths are relative to it.
no_job_in "${study_file}" "${conf_dirs[@]}" "${dumpdir}" "${expdir}" "${train_set}" "${valid_set}" "${eval_set}" "${lexicon}" "${wandb}" "${python}"
study_name=$(basename "${study_file}" .yaml)
units=${dumpdir}/${study_name}/units
exp=${expdir}/${study_name}
logs=${exp}/log

# The runs in the order of their dependencies, checked now so that a fault in a table costs no waiting.
# shellcheck disable=SC2086  # runs is a list of words
run_table=$(${python} -m hubert_iter.bin.plan --study "${study_file}" --runs ${runs} --conf_dirs "${conf_dirs[@]}" \
    --analysis "${analysis}" --alignments "${alignments}" --wandb "${wandb}" --push_to "${push_to}")
if "${dry_run}"; then
    # shellcheck disable=SC2086  # runs is a list of words
    ${python} -m hubert_iter.bin.preview --study "${study_file}" --conf_dirs "${conf_dirs[@]}" --runs ${runs} \
        --gpu "${on_gpu}"
    exit 0
fi
mapfile -t run_rows <<<"${run_table}"
mapfile -t study_rows < <(
    if [ -z "${runs}" ]; then echo "${run_table}"; else ${python} -m hubert_iter.bin.plan --study "${study_file}"; fi
)
read_row() {
    IFS=$'\t' read -r run objective features tap k labels updates init replicate normalise continues old_labels pretrained \
        centroids _ <<<"$1"
}
# Where each run's model is: in its folder, or, of one from elsewhere, where the study says.
declare -A model_of=()
for row in "${study_rows[@]}"; do
    read_row "${row}"
    model_of[${run}]=${exp}/${run}/model
    if [ "${pretrained}" != - ]; then model_of[${run}]=${pretrained}; fi
done
other_models=()
if [ -n "${models}" ]; then
    other_rows=$(${python} -m hubert_iter.bin.other_models --models "${models}" --study "${study_file}")
    mapfile -t other_models <<<"${other_rows}"
fi
no_job_in "${model_of[@]}" "${other_models[@]}"
for name in ${dynamics}; do
    if [ -z "${model_of[${name}]:-}" ]; then die "--dynamics: no run '${name}' in the study. Runs: ${!model_of[*]}"; fi
done
mkdir -p "${logs}"
# Without stage 7 a teacher may not be trained yet: then a run that was not asked for by name is left out.
# shellcheck disable=SC2329  # side_by_side.sh calls it
teacher_is_there() {
    if [ "${labels}" = - ] || [ "${features}" = mfcc ] || [ -f "${exp}/${features}/model/provenance.json" ]; then return 0; fi
    if [ "${model_of[${features}]}" != "${exp}/${features}/model" ]; then return 0; fi
    if [ "${stage}" -gt 7 ] || [ "${stop_stage}" -lt 5 ]; then return 0; fi
    if [ -n "${runs}" ] && [ "${continues}" = - ]; then die "run ${run} needs the model of ${features}, which is not trained yet: add it to --runs"; fi
    log "Stages 5 to 7, ${run}: left out, its teacher ${features} is not trained yet (stage 7)"
    return 1
}
# What a network is compared with, "name=folder" a line: the baselines and the networks before it in the study. A
# baseline is compared with the other baselines.
others_than() {
    local others other
    others=$(printf '%s\n' "${study_rows[@]}" | awk -v name="$1" '$1 == name { found = 1 } !found { print $1 }')
    if [[ " ${baselines} " == *" $1 "* ]]; then others=; fi
    for other in ${baselines} ${others}; do
        if [ "${other}" = "$1" ] || [ ! -f "${exp}/${other}/layers/provenance.json" ]; then continue; fi
        echo "${other}=${exp}/${other}/layers"
    done
}
# shellcheck disable=SC2329  # train_run calls it
teacher_cmd() { if [ "${features}" = mfcc ]; then echo "${train_cmd}"; else echo "${model_cmd}"; fi; }
# shellcheck disable=SC2329  # train_run calls it
teacher_parts() { if [ "${features}" = mfcc ]; then echo 1; else echo "${teacher_nj}"; fi; }
# Where features come from, as options: those of an MFCC folder or of a teacher's layer; and what is taken from them.
# shellcheck disable=SC2329  # train_run calls it
source_options() {
    if [ "${features}" = mfcc ]; then
        source_opts=(--mfcc "${dumpdir}/mfcc/$1")
    else
        source_opts=(--model "${model_of[${features}]}" --tap "${tap}" --gpu "${on_gpu}")
    fi
    source_opts+=(--normalise "${normalise}")
}

# Stage 1 makes the data directories and stages 2 and 3 read them: another call in this folder waits, so that its
# local/data.sh does not write new tables under this one.
hold_data() { ${python} -m hubert_iter.bin.hold --folder "${datadir}" --pid $$ "$@"; }

if [ "${stage}" -le 1 ] && [ "${stop_stage}" -ge 1 ] && ! skip 1; then
    hold_data
    trap 'hold_data --release true' EXIT
    log "Stage 1: data preparation: ${datadir}/{${train_set},${valid_set},${eval_set}}"
    # shellcheck disable=SC2086  # data_opts is a list of words
    local/data.sh --datadir "${datadir}" --train_set "${train_set}" --valid_set "${valid_set}" --eval_set "${eval_set}" \
        --corpus "${corpus}" --textgrids "${textgrids}" --download "${download}" --nj "${nj}" --seed "${seed}" ${data_opts}
fi

if [ "${stage}" -le 2 ] && [ "${stop_stage}" -ge 2 ] && ! skip 2; then
    log "Stage 2: validate and filter: ${dumpdir}/data"
    for set in "${train_set}" "${valid_set}" "${eval_set}"; do
        opts=(--min_seconds "${min_seconds}")
        if [ "${set}" = "${valid_set}" ]; then
            opts+=(--other_utterances_than "${dumpdir}/data/${train_set}")
        elif [ "${set}" = "${eval_set}" ]; then
            opts=(--min_seconds "${eval_min_seconds}" --same_speakers "${same_speakers}" --other_speakers_than "${dumpdir}/data/${train_set}"
                --other_utterances_than "${dumpdir}/data/${train_set}" "${dumpdir}/data/${valid_set}")
        fi
        ${python} -m hubert_iter.bin.filter_data --data "${datadir}/${set}" --out "${dumpdir}/data/${set}" \
            --max_seconds "${max_seconds}" --fix "${fix}" --resample "${resample}" --nj "${nj}" "${opts[@]}"
    done
fi

# Layers are analysed with the evaluation set's alignments; one that is chosen by phones (tap "best") takes those of held-out speech.
aligned_sets=("${eval_set}")
if [ -n "$(awk -F '\t' '$4 == "best"' <<<"${run_table}")" ]; then aligned_sets+=("${valid_set}"); fi

if [ "${stage}" -le 3 ] && [ "${stop_stage}" -ge 3 ] && ! skip 3; then
    log "Stage 3: alignments (${alignments}): ${dumpdir}/alignments/{$(IFS=, && echo "${aligned_sets[*]}")}"
    for set in "${aligned_sets[@]}"; do
        align_set "${set}" "${dumpdir}/data/${set}" "${datadir}/${set}" "${textgrids}" "${lexicon}" \
            --max_missing "${max_missing}" --silence_phones "${silence_phones}" --fix "${fix}"
    done
elif [ "${stage}" -le 7 ] && [ "${stop_stage}" -ge 5 ]; then
    # Before anything is trained, and not after it.
    for set in "${aligned_sets[@]}"; do
        ${python} -m hubert_iter.bin.align_data --data "${dumpdir}/data/${set}" --out "${dumpdir}/alignments/${set}" --check true
    done
fi

if [ -n "$(trap -p EXIT)" ]; then
    trap - EXIT
    hold_data --release true
fi

if [ "${stage}" -le 4 ] && [ "${stop_stage}" -ge 4 ] && ! skip 4; then
    log "Stage 4: MFCC features: ${dumpdir}/mfcc"
    for set in "${train_set}" "${valid_set}" "${eval_set}"; do
        opts=(--data "${dumpdir}/data/${set}" --out "${dumpdir}/mfcc/${set}" --parts "${nj}")
        ${train_cmd} JOB=1:"${nj}" "${logs}/mfcc_${set}.JOB.log" ${python} -m hubert_iter.bin.make_mfcc --part JOB "${opts[@]}"
        job "${train_cmd}" "${logs}/mfcc_${set}.log" ${python} -m hubert_iter.bin.merge_mfcc "${opts[@]}"
    done
fi

# Stages 5 to 7 of the run, or of the leg of a run, that read_row has read; not 0 at the first job that fails.
# shellcheck disable=SC2086,SC2329  # side_by_side.sh calls it
train_run() {
    local set opts launch choice
    if [ "${tap}" = best ] && [ "${stage}" -le 7 ] && [ "${stop_stage}" -ge 5 ]; then
        choice=${exp}/${features}/best
        log "Stage 5, ${run}: the layer of ${features} whose units say most of phones: ${choice}/layer.txt"
        job "${model_cmd}" "${logs}/best_${features}.log" ${python} -m hubert_iter.bin.choose_layer --gpu "${on_gpu}" \
            --model "${model_of[${features}]}" --name "${features}" --data "${dumpdir}/data/${valid_set}" \
            --alignments "${dumpdir}/alignments/${valid_set}" --seed "${seed}" --nj "${nj}" --out "${choice}" || return
        tap=$(cat "${choice}/layer.txt") || return
    fi
    if [ "${stage}" -le 5 ] && [ "${stop_stage}" -ge 5 ] && ! skip 5 && [ "${labels}" != - ]; then
        log "Stage 5, ${run}: k-means with ${k} clusters: ${units}/${labels}/kmeans"
        source_options "${train_set}"
        opts=(--data "${dumpdir}/data/${train_set}" --out "${units}/${labels}/kmeans" --k "${k}" --seed "${seed}" --replicate "${replicate}"
            --portion "${portion}" --max_memory_gb "${max_memory_gb}" "${source_opts[@]}")
        if [ "${centroids}" = - ]; then
            over_set "$(teacher_parts)" "$(teacher_cmd)" "${logs}/kmeans_${labels}" \
                hubert_iter.bin.fit_kmeans hubert_iter.bin.sample_frames hubert_iter.bin.fit_kmeans "${opts[@]}" || return
        else
            job "${train_cmd}" "${logs}/kmeans_${labels}.log" ${python} -m hubert_iter.bin.fit_kmeans --centroids "${centroids}" "${opts[@]}" || return
        fi
    fi

    if [ "${stage}" -le 6 ] && [ "${stop_stage}" -ge 6 ] && ! skip 6 && [ "${labels}" != - ]; then
        log "Stage 6, ${run}: labels: ${units}/${labels}/{${train_set},${valid_set},${eval_set}}"
        for set in "${train_set}" "${valid_set}" "${eval_set}"; do
            source_options "${set}"
            opts=(--data "${dumpdir}/data/${set}" --kmeans "${units}/${labels}/kmeans" --out "${units}/${labels}/${set}"
                "${source_opts[@]}")
            over_set "$(teacher_parts)" "$(teacher_cmd)" "${logs}/labels_${labels}_${set}" \
                hubert_iter.bin.make_labels hubert_iter.bin.make_labels hubert_iter.bin.merge_labels "${opts[@]}" || return
        done
    fi

    if [ "${stage}" -le 7 ] && [ "${stop_stage}" -ge 7 ] && ! skip 7 && [ "${pretrained}" = - ]; then
        if [ "${objective}" = none ]; then
            log "Stage 7, ${run}: network without training: ${exp}/${run}"
        else
            log "Stage 7, ${run}: pre-training up to update ${updates}: ${exp}/${run}; log: ${exp}/${run}/train.log"
        fi
        opts=(--study "${study_file}" --name "${run}" --out "${exp}/${run}" --conf_dirs "${conf_dirs[@]}"
            --data "${dumpdir}/data/${train_set}" --valid_data "${dumpdir}/data/${valid_set}" --gate "${gate}"
            --wandb "${wandb}")
        if [ "${labels}" != - ]; then
            opts+=(--labels "${units}/${labels}/${train_set}" --valid_labels "${units}/${labels}/${valid_set}")
        fi
        if [ "${labels}" != - ] && [ "${features}" != mfcc ]; then
            opts+=(--teacher_model "${model_of[${features}]}" --teacher_tap "${tap}")
        fi
        if [ "${init}" != - ]; then opts+=(--init_model "${model_of[${init}]}"); fi
        if [ "${continues}" != - ]; then opts+=(--continues "${exp}/${continues}"); fi
        if [ "${old_labels}" != - ]; then opts+=(--old_labels "${units}/${old_labels}/${train_set}"); fi
        launch=(-m hubert_iter.bin.train "${opts[@]}")
        if [ "${objective}" = none ] || { [ "${ngpu}" -eq 0 ] && [ "${num_nodes}" -eq 1 ]; }; then
            job "${train_cmd}" "${logs}/train_${run}.log" ${python} "${launch[@]}" || return
        elif [ "${num_nodes}" -eq 1 ]; then
            launch+=(--gpu true)
            if [ "${ngpu}" -gt 1 ]; then launch=(-m hubert_iter.bin.torchrun --standalone --nproc_per_node "${ngpu}" "${launch[@]}"); fi
            job "${cuda_cmd} --gpu ${ngpu}" "${logs}/train_${run}.log" ${python} "${launch[@]}" || return
        else
            # One job per machine; they meet at an address that the first one writes into a shared file.
            mkdir -p "${exp}/${run}" || return
            rm -f "${exp}/${run}/meeting" || return
            if [ "${ngpu}" -gt 0 ]; then launch+=(--gpu true); fi
            job "${cuda_cmd} --gpu ${ngpu} JOB=1:${num_nodes}" "${logs}/train_${run}.JOB.log" ${python} utils/node.py \
                --node JOB --num_nodes "${num_nodes}" --ngpu "${ngpu}" --meeting "${exp}/${run}/meeting" "${launch[@]}" || return
        fi
    fi
}

train_all
# From here on a run with refresh is its last leg.
mapfile -t run_rows < <(printf '%s\n' "${run_rows[@]}" | awk -F '\t' '$NF != "leg"')

# What stages 8 and 9 score, one "name, model, suffix of the results" a row: baselines, runs, their checkpoints, others.
mapfile -t scored_rows < <(
    for name in ${baselines}; do printf '%s\t%s\t\n' "${name}" "${name}"; done
    for row in "${run_rows[@]}"; do
        read_row "${row}"
        printf '%s\t%s\t\n' "${run}" "${model_of[${run}]}"
        if ! "${checkpoints}" && [[ " ${dynamics} " != *" ${run} "* ]]; then continue; fi
        for folder in "${exp}/${run}"{,.leg*}/checkpoints/update_*; do
            # The last one is the model itself: its scores would count twice.
            if [ ! -d "${folder}" ] || [ "${folder##*update_}" = "${updates}" ]; then continue; fi
            printf '%s\t%s\t_%s\n' "${run}" "${folder}" "${folder##*update_}"
        done
    done
    for row in "${other_models[@]}"; do printf '%s\t\n' "${row}"; done
)

if [ "${stage}" -le 8 ] && [ "${stop_stage}" -ge 8 ] && ! skip 8; then
    log "Stage 8: layer representations: ${exp}/*/layers"
    ${python} -m hubert_iter.bin.sample_segments --data "${dumpdir}/data/${eval_set}" \
        --alignments "${dumpdir}/alignments/${eval_set}" --train_text "${dumpdir}/data/${train_set}/text" \
        --out "${exp}/samples" --analysis "${analysis}" --conf_dirs "${conf_dirs[@]}"
    for row in "${scored_rows[@]}"; do
        IFS=$'\t' read -r name model suffix <<<"${row}"
        if [ -n "${failed[${name}]:-}" ]; then continue; fi
        over_set "${teacher_nj}" "${model_cmd}" "${logs}/layers_${name}${suffix}" \
            hubert_iter.bin.pool_layers hubert_iter.bin.pool_layers hubert_iter.bin.merge_layers --model "${model}" \
            --data "${dumpdir}/data/${eval_set}" --samples "${exp}/samples" --out "${exp}/${name}/layers${suffix}" --name "${name}" --gpu "${on_gpu}" ||
            fails "${name}" "${last_log}"
    done
fi

if [ "${stage}" -le 9 ] && [ "${stop_stage}" -ge 9 ] && ! skip 9; then
    log "Stage 9: measures of the layers: ${exp}/*/measures"
    for row in "${scored_rows[@]}"; do
        IFS=$'\t' read -r name model suffix <<<"${row}"
        if [ -n "${failed[${name}]:-}" ]; then continue; fi
        mapfile -t others < <(others_than "${name}")
        job "${train_cmd}" "${logs}/measures_${name}${suffix}.log" ${python} -m hubert_iter.bin.score --nj "${nj}" \
            --layers "${exp}/${name}/layers${suffix}" --samples "${exp}/samples" --others "${others[@]}" \
            --model "${model}" --data "${dumpdir}/data/${eval_set}" --alignments "${dumpdir}/alignments/${eval_set}" \
            --out "${exp}/${name}/measures${suffix}" --analysis "${analysis}" --conf_dirs "${conf_dirs[@]}" ||
            fails "${name}" "${last_log}"
    done
fi

if [ "${stage}" -le 10 ] && [ "${stop_stage}" -ge 10 ] && ! skip 10; then
    log "Stage 10: label quality and agreement: ${units}/*/quality, ${exp}/agreement"
    # Agreement compares the whole study, whatever --runs says.
    all_labels=$(printf '%s\n' "${study_rows[@]}" | cut -f 6 | grep -vx -e - | awk '!seen[$0]++')
    opts=()
    for labels in ${all_labels}; do
        [ -d "${units}/${labels}/${eval_set}" ] || { log "No labels ${labels} yet, left out" && continue; }
        opts+=("${labels}=${units}/${labels}/${eval_set}")
        ${python} -m hubert_iter.bin.score_labels --labels "${units}/${labels}/${eval_set}" --name "${labels}" \
            --alignments "${dumpdir}/alignments/${eval_set}" --data "${dumpdir}/data/${eval_set}" --out "${units}/${labels}/quality"
    done
    if [ ${#opts[@]} -gt 1 ]; then
        ${python} -m hubert_iter.bin.score_agreement --out "${exp}/agreement" --labels "${opts[@]}"
    fi
fi

if [ "${stage}" -le 11 ] && [ "${stop_stage}" -ge 11 ] && ! skip 11; then
    log "Stage 11: report: ${exp}/report"
    ${python} -m hubert_iter.bin.report --study "${study_file}" --expdir "${exp}" --dumpdir "${dumpdir}/${study_name}" \
        --out "${exp}/report" --title "${title}" --data_note "${data_note}"
    for row in "${study_rows[@]}"; do
        read_row "${row}"
        if [[ " ${dynamics} " != *" ${run} "* ]]; then continue; fi
        log "Stage 11, ${run}: learning dynamics: ${exp}/${run}/dynamics"
        opts=()
        if [ "${labels}" != - ]; then opts=(--labels "${units}/${labels}/${eval_set}"); fi
        ${python} -m hubert_iter.bin.dynamics --name "${run}" --run "${exp}/${run}" --samples "${exp}/samples" --nj "${nj}" \
            --seed "${seed}" --out "${exp}/${run}/dynamics" "${opts[@]}"
    done
fi

if [ "${stage}" -le 12 ] && [ "${stop_stage}" -ge 12 ] && ! skip 12; then
    log "Stage 12: export: ${exp}/*/export"
    for row in "${run_rows[@]}"; do
        read_row "${row}"
        if [ -n "${failed[${run}]:-}" ] || [ "${pretrained}" != - ]; then continue; fi
        formats=${export_formats}
        if [ "${objective}" = none ] && [[ " ${formats} " == *" fairseq "* ]]; then
            log "Stage 12, ${run}: not for fairseq, which has no model without an objective"
            formats=${formats//fairseq/}
        fi
        if [ -z "${formats// /}" ]; then continue; fi
        if [ -n "${own_units}" ]; then
            read -r tap k <<<"${own_units}"
            # As in stage 5 of a run that is taught by this layer, which then has this k-means already.
            opts=(--data "${dumpdir}/data/${train_set}" --out "${units}/${run}@${tap}_k${k}/kmeans" --k "${k}" --seed "${seed}"
                --replicate "${replicate}" --portion "${portion}" --max_memory_gb "${max_memory_gb}"
                --model "${exp}/${run}/model" --tap "${tap}" --gpu "${on_gpu}" --normalise none)
            over_set "${teacher_nj}" "${model_cmd}" "${logs}/kmeans_${run}@${tap}_k${k}" \
                hubert_iter.bin.fit_kmeans hubert_iter.bin.sample_frames hubert_iter.bin.fit_kmeans "${opts[@]}"
        fi
        # shellcheck disable=SC2086  # lists of words
        ${python} -m hubert_iter.bin.export --model "${exp}/${run}/model" --formats ${formats} --out "${exp}/${run}/export" \
            --units "${units}" --license "${license}" --language ${language} --datasets ${datasets} \
            --data_note "${data_note}" --push_to "${push_to//RUN/${run}}" --private "${push_private}"
    done
fi

log "Finished in ${SECONDS} s"
if [ -f "${exp}/report/index.html" ]; then
    realpath "${exp}/report/index.html"
fi
if [ ${#failed[@]} -gt 0 ]; then
    for run in "${!failed[@]}"; do echo "ERROR: ssl.sh: ${run} failed: ${failed[${run}]}"; done | sort >&2
    exit 1
fi
exit 0

}
