#!/usr/bin/env bash
# Slurm on this machine alone, to try a recipe's jobs without a cluster: a controller and nodes on loopback, all in one
# folder. Debian and Ubuntu: apt-get install slurmctld slurmd slurm-client munge
set -euo pipefail

# Options
folder=/tmp/slurm_here # Where configuration, logs and state go; short, for sockets have short names.
nodes=2                # Nodes, each a slurmd of its own with all processors of this machine.
action=start           # start, stop, or kill_node to end a node as if its machine had died.
node=node1             # Which one kill_node ends.

tools=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=/dev/null
. "${tools}/../egs/TEMPLATE/ssl1/utils/parse_options.sh"

log() { echo "slurm_here.sh: $*"; }
die() {
    echo "ERROR: slurm_here.sh: $*" >&2
    exit 1
}

# Ends the process whose number a file has. end SIGNAL FILE
end() {
    if [ -f "$2" ]; then kill "-$1" "$(cat "$2")" 2>/dev/null || true; fi
}

write_configuration() {
    local number processors
    processors=$(nproc)
    cat >"${folder}/slurm.conf" <<EOF
ClusterName=here
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=17000
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket
CredType=cred/munge
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool.%n
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.%n.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
JobRequeue=1
KillWait=20
SlurmdTimeout=20
ReturnToService=2
MinJobAge=300
EOF
    for number in $(seq "${nodes}"); do
        echo "NodeName=node${number} NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$((17000 + number)) CPUs=${processors} RealMemory=100000"
    done >>"${folder}/slurm.conf"
    for name in cpu gpu; do
        echo "PartitionName=${name} Nodes=ALL MaxTime=INFINITE State=UP Default=$([ "${name}" = cpu ] && echo YES || echo NO)"
    done >>"${folder}/slurm.conf"
}

start() {
    local program number
    for program in munged slurmctld slurmd sbatch; do
        command -v "${program}" >/dev/null || die "no ${program} here: apt-get install slurmctld slurmd slurm-client munge"
    done
    mkdir -p "${folder}/state"
    chmod 755 "${folder}"
    write_configuration
    if [ ! -f "${folder}/munge.key" ]; then
        (umask 077 && head -c 128 /dev/urandom >"${folder}/munge.key")
    fi
    munged --force --socket="${folder}/munge.socket" --key-file="${folder}/munge.key" --pid-file="${folder}/munged.pid" \
        --log-file="${folder}/munged.log" --seed-file="${folder}/munged.seed"
    export SLURM_CONF=${folder}/slurm.conf
    slurmctld -f "${SLURM_CONF}"
    for number in $(seq "${nodes}"); do
        mkdir -p "${folder}/spool.node${number}"
        slurmd -N "node${number}" -f "${SLURM_CONF}"
    done
    for _ in $(seq 60); do
        if [ "$(sinfo --noheader --Node --partition=cpu --states=idle | wc -l)" -eq "${nodes}" ]; then
            log "${nodes} nodes are up. In your shell: export SLURM_CONF=${SLURM_CONF}"
            return
        fi
        sleep 0.5
    done
    sinfo
    die "the nodes did not come up in 30 s, see the logs in ${folder}"
}

case ${action} in
    start) start ;;
    stop)
        for file in "${folder}"/slurmd.*.pid "${folder}/slurmctld.pid" "${folder}/munged.pid"; do end TERM "${file}"; done
        log "stopped"
        ;;
    kill_node)
        # Its jobs' keepers, which would go on without it, end too: each has a socket NODE_JOB.STEP in the node's spool.
        for socket in "${folder}/spool.${node}/${node}_"*; do
            if [ -e "${socket}" ]; then step=${socket##*_} && pkill -KILL -f "^slurmstepd: \[${step%%.*}\." || true; fi
        done
        end KILL "${folder}/slurmd.${node}.pid"
        log "${node} is gone"
        ;;
    *) die "--action: expected start, stop or kill_node, got '${action}'" ;;
esac
