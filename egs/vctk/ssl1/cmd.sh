# How jobs are started. Every launcher takes the arguments of Kaldi's run.pl:
#   launcher [--mem 4G] [--gpu N] [--num-threads N] [JOB=1:N] log.JOB.txt command ...
# utils/local.py   on this machine, at most one job per processor at a time (--max-jobs N to change that)
# utils/slurm.py   on a Slurm cluster, set up in conf/slurm.conf
# Your own run.pl, slurm.pl or queue.pl can be named here as well.
# shellcheck shell=bash disable=SC2034

cmd_backend=${cmd_backend:-local}

case ${cmd_backend} in
    local)
        train_cmd="utils/local.py"  # work on processors: features, k-means, labels, scores
        cuda_cmd="utils/local.py"   # work on GPUs: training, layer representations
        ;;
    slurm)
        train_cmd="utils/slurm.py"
        cuda_cmd="utils/slurm.py"
        ;;
    *)
        echo "ERROR: cmd.sh: cmd_backend is '${cmd_backend}', expected local or slurm" >&2
        exit 2
        ;;
esac
