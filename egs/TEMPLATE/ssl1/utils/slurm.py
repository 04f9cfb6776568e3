#!/usr/bin/env python3
"""Run jobs on a Slurm cluster: slurm.py [--mem 4G] [--gpu N] [--max-jobs N] [JOB=1:N] log.JOB.txt command ...

The arguments are those of Kaldi's run.pl; conf/slurm.conf says how they become options of sbatch. Waits for the jobs;
when some fail, the message names the log and shows its last lines, and the exit status is not 0. When this launcher is
ended, the jobs are cancelled.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import launcher

# What a job writes as the last line of its log.
ENDED = re.compile(r"# ended \S+ with status (\d+)")
# Files of other machines may appear late on a network file system.
PATIENCE_SECONDS = float(os.environ.get("SLURM_LOG_PATIENCE", "30"))


def read_conf(path: Path) -> tuple[list[str], list[tuple[str, str, list[str]]], dict[str, str]]:
    """Read slurm.conf: the command, the rules (option, value or *, words), the defaults."""
    command, rules, defaults = ["sbatch"], [], {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "command" and len(words) > 1:
            command = words[1:]
        elif words[0] in ("option", "default") and len(words) > 1 and "=" in words[1]:
            name, value = words[1].split("=", 1)
            name = name.replace("-", "_")
            if words[0] == "option":
                rules.append((name, value, words[2:]))
            else:
                defaults[name] = value
        else:
            raise launcher.UsageError(
                f"{path}:{number}: expected command ..., option NAME=VALUE ... or default NAME=VALUE, found '{line}'"
            )
    return command, rules, defaults


def sbatch_options(request: launcher.Request, conf: Path) -> list[str]:
    """The sbatch command for a request, without the script."""
    command, rules, defaults = read_conf(conf)
    words = [*command]
    given = {
        name: value for name, value in request.options.items() if name not in ("max_jobs", "max_jobs_run", "config")
    }
    for name, value in (defaults | given).items():
        fitting = [rule for rule in rules if rule[0] == name]
        exact = [rule for rule in fitting if rule[1] == value]
        for rule in (exact or [rule for rule in fitting if rule[1] == "*"])[:1]:
            words += [word.replace("$0", value) for word in rule[2]]
        if not fitting and name in given:
            raise launcher.UsageError(f"{conf}: no line 'option {name}=*' says what to do with --{name} {value}")
    if request.variable:
        limit = f"%{request.most_at_once}" if request.most_at_once else ""
        words.append(f"--array={request.first}-{request.last}{limit}")
    return words


def script(request: launcher.Request) -> str:
    """What the cluster runs for each job.

    Slurm tells the shell alone that time is up, and ends the job with it. So the command has a process group of its
    own, to which the shell hands on what it is told, and waits until a training has saved. SIGUSR1 (conf/slurm.conf
    asks for it before the time limit) puts the job back into the queue: there it goes on from what it has saved.

    All is written through one open file: a job of another call may come to have its log at this one's path.
    """
    log = launcher.quoted(request.log, request.variable)
    return f"""#!/usr/bin/env bash
cd {launcher.quoted(os.getcwd(), None)} || exit 1
JOB=${{SLURM_ARRAY_TASK_ID:-1}}
if [ -z "${{SLURM_RESTART_COUNT:-}}" ]; then rm -f {log}; fi
exec >>{log} 2>&1
echo '# '{launcher.quoted(request.shell_line(), None)}
echo "# started $(date '+%Y-%m-%dT%H:%M:%S') on $(hostname), Slurm job ${{SLURM_JOB_ID:-}}"
told=
trap 'told=TERM' TERM
trap 'told=USR1' USR1
set -m
(set -o pipefail; {request.shell_line()}) </dev/null &
set +m
wait $!
status=$?
if [ -n "${{told}}" ]; then
    kill -TERM -- -$! 2>/dev/null
    trap '' TERM USR1
    wait $!
    status=$?
    if [ "${{told}}" = USR1 ] && [ "${{status}}" -ne 0 ]; then
        echo "# $(date '+%Y-%m-%dT%H:%M:%S') out of time, back into the queue"
        scontrol requeue "${{SLURM_JOB_ID}}" && sleep 60
    fi
fi
echo
echo "# ended $(date '+%Y-%m-%dT%H:%M:%S') with status ${{status}}"
exit ${{status}}
"""


def outcome(log: Path, since: float) -> str:
    """ "" when the job that wrote this log after `since` succeeded, else what is wrong."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        text = log.read_text(errors="replace") if log.exists() and log.stat().st_mtime >= since - 60 else ""
        ended = ENDED.search(text.rstrip().rsplit("\n", 1)[-1])
        if ended:
            return "" if ended[1] == "0" else f"exit status {ended[1]}"
        if time.monotonic() > end:
            return "ended without writing its status: killed, out of memory or out of time"
        time.sleep(0.2)


def submit(command: list[str]) -> tuple[subprocess.Popen, str]:
    """Start sbatch --wait; return the process and the job's number."""
    process = subprocess.Popen([*command[:1], "--parsable", "--wait", *command[1:]], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip().split(";")[0]


def main() -> int:
    """Run; the exit status of the launcher."""
    name = Path(sys.argv[0]).name
    try:
        request = launcher.parse(sys.argv[1:])
        conf = find_conf(request)
        options = sbatch_options(request, conf)
    except launcher.UsageError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    started = time.time()
    for job in request.jobs:
        log = request.log_of(job)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)  # so that no earlier run's status is taken for this one's
    with tempfile.NamedTemporaryFile("w", dir=request.log_of("sbatch").parent, suffix=".sh") as file:
        file.write(script(request))
        file.flush()
        options += ["--job-name", Path(request.log_of("all")).stem, "--output", "/dev/null", file.name]
        try:
            process, number = submit(options)
        except OSError as error:
            print(f"{name}: cannot run {options[0]}: {error.strerror}. Is Slurm installed here?", file=sys.stderr)
            return 1
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        try:
            status = process.wait()
        except (KeyboardInterrupt, SystemExit):
            if number:
                subprocess.run(["scancel", number], check=False)
            return 130
    if not number:
        print(
            f"{name}: sbatch refused the job (exit status {status}): {' '.join(options)}. See {conf}", file=sys.stderr
        )
        return 1
    failed = {job: why for job in request.jobs if (why := outcome(request.log_of(job), started))}
    if failed:
        launcher.report_failures(request, failed, name)
        return 1
    return 0


def find_conf(request: launcher.Request) -> Path:
    """The configuration named by --config, else the recipe's, else the project's."""
    if "config" in request.options:
        places = [Path(request.options["config"])]
    else:
        # The real place of this file is egs/TEMPLATE/ssl1/utils.
        places = [Path("conf/slurm.conf"), Path(__file__).resolve().parents[4] / "conf/slurm.conf"]
    for place in places:
        if place.is_file():
            return place
    raise launcher.UsageError(f"no configuration at {' or '.join(map(str, places))}")


if __name__ == "__main__":
    sys.exit(main())
