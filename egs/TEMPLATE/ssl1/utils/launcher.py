"""What the launchers share: the arguments of Kaldi's run.pl, and what is said of jobs that failed."""

import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

NUMBERS = ("gpu", "num_threads", "max_jobs", "max_jobs_run")
OPTIONS = (*NUMBERS, "mem", "time", "config")
# Words that mean something to the shell, as in: run.pl log.txt cmd1 \| cmd2
OPERATORS = ("|", "||", "&&", ";", ">", ">>", "<", "2>", "2>&1", "&>")


class UsageError(Exception):
    """A wrong command line."""


class Request(NamedTuple):  # a dataclass would take as long to import as all else here: each job starts a launcher
    """One call: jobs `first` to `last` (no JOB given: one job and `variable` is None), their log and command."""

    log: str
    command: tuple[str, ...]
    variable: str | None
    first: int
    last: int
    options: dict[str, str]

    @property
    def jobs(self) -> range:
        """The numbers of the jobs."""
        return range(self.first, self.last + 1)

    def number(self, name: str, default: int) -> int:
        """The value of a whole-number option."""
        return int(self.options.get(name, default))

    @property
    def most_at_once(self) -> int | None:
        """The limit on jobs that run at the same time, when one is given."""
        given = self.options.get("max_jobs", self.options.get("max_jobs_run"))
        return None if given is None else max(1, int(given))

    def log_of(self, job: int | str) -> Path:
        """The log file of one job."""
        return Path(self._fill(self.log, job))

    def command_of(self, job: int) -> list[str]:
        """The command of one job."""
        return [self._fill(word, job) for word in self.command]

    def shell_line(self, job: int | None = None) -> str:
        """The command as bash takes it: of one job, or with JOB as the shell's variable ${JOB}."""
        words = self.command if job is None else self.command_of(job)
        variable = self.variable if job is None else None
        return " ".join(word if word in OPERATORS else quoted(word, variable) for word in words)

    def _fill(self, text: str, job: int | str) -> str:
        return text.replace(self.variable, str(job)) if self.variable else text


def quoted(text: str, variable: str | None) -> str:
    """Quote a word for the shell, with `variable` in it (JOB, say) turned into the shell's ${JOB}."""
    if not variable or variable not in text:
        return shlex.quote(text)
    return '"${JOB}"'.join(shlex.quote(part) if part else "" for part in text.split(variable))


def parse(argv: list[str]) -> Request:
    """Read [--option value ...] [JOB=1:N] [--option value ...] log command ...; UsageError when it is wrong."""
    words = list(argv)
    options: dict[str, str] = {}
    variable, first, last = None, 1, 1
    while words:
        ranged = re.fullmatch(r"([A-Za-z_]+\w*)=(\d+)(?::(\d+))?", words[0])
        if words[0].startswith("-"):
            name = words.pop(0).lstrip("-").replace("-", "_")
            if name not in OPTIONS:
                import difflib

                near = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.3)
                raise UsageError(f"unknown option --{name}" + (f" (did you mean --{near[0]}?)" if near else ""))
            if not words:
                raise UsageError(f"--{name} needs a value")
            options[name] = words.pop(0)
            if name in NUMBERS and not options[name].isdigit():
                raise UsageError(f"--{name} expects a whole number, got '{options[name]}'")
        elif ranged and variable is None:
            variable, first = ranged[1], int(ranged[2])
            last = int(ranged[3] or first)
            if last < first:
                raise UsageError(f"{words[0]}: the last job comes before the first")
            words.pop(0)
        else:
            break
    if len(words) < 2:
        raise UsageError("expected: [--mem 4G] [--gpu N] [JOB=1:N] log.JOB.txt command ...")
    if variable and last > first and variable not in words[0]:
        raise UsageError(
            f"{variable}={first}:{last}: the log's name '{words[0]}' must hold {variable}, one log per job"
        )
    return Request(words[0], tuple(words[1:]), variable, first, last, options)


def report_failures(request: Request, failed: dict[int, str], name: str, lines: int = 15) -> None:
    """Say which jobs failed and how, and show the end of the first one's log."""
    job = min(failed)
    log = request.log_of(job)
    total = len(request.jobs)
    where = str(log) if total == 1 else f"{request.log_of('*')}; the first: {log}"
    print(f"{name}: {len(failed)} of {total} jobs failed ({failed[job]}). Log: {where}", file=sys.stderr)
    try:
        text = log.read_text(errors="replace").replace("\r", "\n")
    except OSError as error:
        print(f"{name}: no log to show ({error.strerror})", file=sys.stderr)
        return
    for line in [line for line in text.splitlines() if line.strip()][-lines:]:
        print(f"    {line}", file=sys.stderr)
