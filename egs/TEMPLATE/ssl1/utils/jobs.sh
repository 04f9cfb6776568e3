# Source this file after cmd.sh: jobs through launchers, over a set at once or in parts. It reads train_cmd and python,
# and calls die.
# shellcheck shell=bash disable=SC2154,SC2086  # launchers and python may carry options

beside=false  # In a process beside others: then job starts its launcher in the background.
launched=     # That launcher.
last_log=     # Of the last job.

# Refuse words, for an array of jobs, in which its launcher would put a job's number: no_job_in WORD ...
no_job_in() {
    local word
    for word in "$@"; do
        if [[ ${word} == *JOB* ]]; then die "${word}: launchers put a job's number in the place of JOB, as Kaldi's do: choose another name or path"; fi
    done
}

# Run a job through a launcher, then say on the terminal what it found to do. job LAUNCHER LOG COMMAND ...
job() {
    local launcher=$1 status=0
    last_log=$2
    shift
    # Beside other runs in the background, where a trap can act only while bash waits.
    if "${beside}"; then
        ${launcher} "$@" &
        launched=$!
        wait "${launched}" || status=$?
    else
        ${launcher} "$@" || status=$?
    fi
    # A launcher that was told to stop, by Ctrl-C say, ends with 128 and the signal's number: then nothing goes on.
    if [ "${status}" -ge 128 ]; then exit "${status}"; fi
    if [ "${status}" -eq 0 ]; then tell "${last_log//JOB/1}"; fi
    return "${status}"
}
# What a log says that was done or not, and its warnings; one that comes again with other numbers, as a training's do, once.
tell() {
    awk -v RS='[\r\n]+' '
        / WARNING / { alike = $0; gsub(/[0-9.]+/, "", alike); if (!told[alike]++) { $1 = $2 = ""; print substr($0, 3) } }
        /INFO .*(up to date|already|: making)/ && $0 != last { last = $0; $1 = $2 = $3 = ""; print substr($0, 4) }
    ' "$@"
}

# Work over a set, at once or in parts that are then joined: over_set PARTS LAUNCHER LOG WHOLE PART JOIN OPTION ...
over_set() {
    local parts=$1 launcher=$2 log=$3 whole=$4 part=$5 join=$6
    shift 6
    if [ "${parts}" -eq 1 ]; then
        job "${launcher}" "${log}.log" ${python} -m "${whole}" "$@"
        return
    fi
    job "${launcher} JOB=1:${parts}" "${log}.JOB.log" ${python} -m "${part}" --part JOB --parts "${parts}" "$@" || return
    job "${train_cmd}" "${log}.log" ${python} -m "${join}" --parts "${parts}" "$@"
}
