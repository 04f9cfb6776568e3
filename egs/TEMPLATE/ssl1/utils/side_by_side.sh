# Stages 5 to 7 of all runs, several at once where they do not need each other. Sourced by ssl.sh, which has the rows
# (run_rows, read_row, teacher_is_there), what is done with one (train_run) and the options (run_jobs, gate).
# shellcheck shell=bash disable=SC2154,SC2034

declare -A failed=() gated=()  # Runs that ended so -> why.
declare -A left=() working=()  # Runs that are not done -> their row; those of them at work -> their process.

# A job of one run has failed, or one that the run needs: the others go on, and the end names it. fails RUN WHY
fails() {
    failed[$1]=$2
    log "$1 failed ($2): going on with what does not need it"
}

# Note how a run's stages 5 to 7 ended. ended RUN STATUS LOG
ended() {
    unset "left[$1]"
    # Told to stop: then nothing goes on.
    if [ "$2" -ge 128 ]; then stop_all "$2"; fi
    if [ "$2" -ne 0 ]; then fails "$1" "$3"; fi
    if "${gate}" && [ -f "${exp}/$1/gate.txt" ]; then
        gated[$1]=$(cat "${exp}/$1/gate.txt")
        log "$1: ${gated[$1]}"
    fi
}
# Take up the run that read_row has read, unless it has to wait for one that it needs or for room. Two that want the
# same labels may start together: one makes them, the other one waits for its lock.
take_up() {
    local needed status=0
    for needed in "${features}" "${init}"; do
        if [ -n "${left[${needed}]:-}" ]; then return; fi
        if [ -n "${failed[${needed}]:-}" ] || [ -n "${gated[${needed}]:-}" ]; then
            unset "left[${run}]"
            fails "${run}" "it needs ${needed}${gated[${needed}]:+, which was stopped at the gate}"
            return
        fi
    done
    if [ ${#working[@]} -ge "${run_jobs}" ]; then return; fi
    if ! teacher_is_there; then
        unset "left[${run}]"
    elif [ "${run_jobs}" -gt 1 ]; then
        train_beside &
        working[${run}]=$!
    else
        # Before || bash lets commands of a function fail: each of train_run's ends in "|| return".
        train_run || status=$?
        ended "${run}" "${status}" "${last_log}"
    fi
}
# train_run in a process of its own, with its share of the processors; it leaves the name of its last log.
train_beside() {
    local status=0
    beside=true
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(($(nproc) > run_jobs ? $(nproc) / run_jobs : 1))}
    # Ctrl-C reaches all processes; the recipe hands it on as TERM, so that it can wait.
    trap '' INT
    trap 'kill -TERM ${launched} && wait ${launched}; exit 143' TERM
    # Not to a terminal: progress bars of several runs would write over each other.
    train_run 2> >(cat >&2) || status=$?
    echo "${last_log}" >"${logs}/${run}.last"
    exit "${status}"
}
# Those of the runs that are at work which have ended.
collect() {
    local each status
    for each in "${!working[@]}"; do
        if kill -0 "${working[${each}]}" 2>/dev/null; then continue; fi
        status=0
        wait "${working[${each}]}" || status=$?
        unset "working[${each}]"
        ended "${each}" "${status}" "$(cat "${logs}/${each}.last" 2>/dev/null || true)"
        rm -f "${logs}/${each}.last"
    done
}
# Stop the runs that are at work, wait until they have saved, and end. stop_all STATUS
stop_all() {
    trap '' INT TERM
    if [ ${#working[@]} -gt 0 ]; then
        log "told to stop: ${!working[*]} save first"
        kill -TERM "${working[@]}" || true
        wait
    fi
    exit "$1"
}

# How many trainings this machine has room for: one a processor, and one for each 4 GB of free memory.
room() {
    local processors memory
    processors=$(nproc)
    memory=$(awk '/^MemAvailable/ { print int($2 / 4194304) }' /proc/meminfo 2>/dev/null || true)
    memory=${memory:-${processors}}
    echo $((memory < 1 ? 1 : memory < processors ? memory : processors))
}

# All runs, in the order in which they need each other.
train_all() {
    local row most independent=0
    for row in "${run_rows[@]}"; do
        read_row "${row}"
        if [ "${objective}" != none ] && [ -z "${left[${features}]:-}${left[${init}]:-}" ]; then independent=$((independent + 1)); fi
        left[${run}]=${row}
    done
    if [ -z "${run_jobs}" ]; then
        run_jobs=$((independent > 0 ? independent : 1))
        if [ "${num_nodes}" -gt 1 ]; then
            # A training waits until it has all of its machines: several, each with some, would wait for each other.
            run_jobs=1
        elif [ "${cuda_cmd%% *}" = utils/local.py ]; then
            most=$(room)
            if [ "${ngpu}" -gt 0 ]; then most=1; fi
            if [ "${run_jobs}" -gt "${most}" ]; then run_jobs=${most}; fi
        fi
    fi
    if [ "${run_jobs}" -gt 1 ]; then
        trap 'stop_all 130' INT
        trap 'stop_all 143' TERM
    fi
    while [ ${#left[@]} -gt 0 ]; do
        for row in "${run_rows[@]}"; do
            read_row "${row}"
            if [ -n "${left[${run}]:-}" ] && [ -z "${working[${run}]:-}" ]; then take_up; fi
        done
        if [ ${#working[@]} -gt 0 ]; then
            wait -n || true
            collect
        fi
    done
    trap - INT TERM
}
