"""tools/: finding a Python, installing into an environment, checking what is there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")


def program(path: Path, text: str) -> Path:
    """Write an executable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def python_of(version: str) -> str:
    """A stand-in for an interpreter: what find_python.sh's question gets for an answer."""
    return (
        "#!/bin/sh\ncat >/dev/null\n"
        + {
            "good": "",
            "3.11": "echo is Python 3.11\n",
            "broken": "exit 127\n",
            "incomplete": "echo lacks ensurepip\n",
        }[version]
    )


class TestFindPython:
    """tools/find_python.sh."""

    @pytest.fixture
    def find(self, tmp_path):
        """Call it on a machine that has only the given programs: name of the file -> kind."""

        def call(pythons: dict[str, str]) -> subprocess.CompletedProcess:
            for name, kind in pythons.items():
                program(tmp_path / name, python_of(kind))
            (tmp_path / "bin").mkdir(exist_ok=True)
            for tool in ("cat", "bash", "env", "sh"):
                if not (tmp_path / "bin" / tool).exists():
                    (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
            environment = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path / "py env")}
            command = [BASH, ROOT / "tools/find_python.sh"]
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

        return call

    @pytest.mark.parametrize(
        ("pythons", "found"),
        [
            ({"bin/python3.12": "good", "bin/python3": "3.11"}, "bin/python3.12"),
            (
                {"bin/python3": "3.11", "py env/versions/3.13.0/bin/python3.13": "good"},
                "py env/versions/3.13.0/bin/python3.13",
            ),
            ({"bin/python3.12": "broken", "bin/python3.13": "good"}, "bin/python3.13"),
            ({"bin/python3.12": "incomplete", "bin/python3": "good"}, "bin/python3"),
        ],
    )
    def test_the_first_that_will_do(self, find, tmp_path, pythons, found):
        result = find(pythons)
        assert result.returncode == 0, result.stderr
        assert result.stdout == f"{tmp_path / found}\n"

    def test_none(self, find):
        result = find({"bin/python3": "3.11", "bin/python3.12": "incomplete"})
        assert result.returncode == 1
        assert result.stdout == ""
        assert "3.11" in result.stderr
        assert "ensurepip" in result.stderr

    def test_a_real_one(self):
        result = subprocess.run([ROOT / "tools/find_python.sh"], capture_output=True, text=True, timeout=60)
        if result.returncode:
            pytest.skip("the environment's Python is not where find_python.sh looks: " + result.stderr)
        version = subprocess.run([result.stdout.strip(), "--version"], capture_output=True, text=True).stdout
        assert version.startswith(("Python 3.12.", "Python 3.13."))


# An interpreter that makes environments of copies of itself and writes down what pip and the check are asked for.
FAKE_PYTHON = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"{calls}"
case "$*" in
    "-m venv"*) dir=${{!#}}; mkdir -p "${{dir}}/bin"; cp "$0" "${{dir}}/bin/python" ;;
    "-m pip"*"[abx]" | "-m pip"*"[align]" | "-m pip"*"[ngram]") [ ! -e "{calls}.no_build" ] ;;
    "-m pip"*) [ ! -e "{calls}.no_network" ] ;;
    "-c import pip") true ;;
esac
"""


class TestInstall:
    """tools/install.sh, with a Python that only pretends."""

    @pytest.fixture
    def install(self, tmp_path):
        """A small copy of the project in a folder with a space, and a function that installs it."""
        self.root = tmp_path / "my project"
        self.calls = tmp_path / "calls"
        for name in ("setup.py", "pyproject.toml", "egs/TEMPLATE/ssl1/utils/parse_options.sh"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        shutil.copytree(ROOT / "tools", self.root / "tools", ignore=shutil.ignore_patterns("venv"))
        python = program(tmp_path / "python3.12", FAKE_PYTHON.format(calls=self.calls))

        def call(*arguments: str) -> tuple[int, list[str]]:
            self.calls.write_text("")
            command = [self.root / "tools/install.sh", "--python", python, *arguments]
            result = subprocess.run(command, capture_output=True, text=True, timeout=60)
            return result.returncode, self.calls.read_text().splitlines()

        return call

    def test_installs_once(self, install):
        status, calls = install()
        assert status == 0
        assert calls[0].startswith("-m venv")
        assert any("pip install" in call and call.endswith(f"{self.root}[test,asr]") for call in calls)
        assert calls[-1].endswith("check_install.py")
        assert install() == (0, [])

    def test_installs_again_when_the_dependencies_change(self, install):
        install()
        with open(self.root / "setup.py", "a") as file:
            file.write("# another dependency\n")
        status, calls = install()
        assert status == 0
        assert any("pip install" in call for call in calls)
        assert not any("-m venv" in call for call in calls), "the environment that is there is completed"

    def test_goes_on_after_a_failure(self, install):
        failure = Path(f"{self.calls}.no_network")
        failure.write_text("")
        assert install()[0] == 1
        failure.unlink()
        status, calls = install()
        assert status == 0
        assert any("pip install" in call for call in calls)
        assert any(call.endswith("[test,abx]") for call in install("--extras", "test,abx")[1])

    def test_an_optional_extra_without_a_build_is_left_out(self, install):
        status, calls = install()
        assert status == 0
        assert [call.split("[")[-1] for call in calls[-4:-1]] == ["abx]", "align]", "ngram]"]
        Path(f"{self.calls}.no_build").write_text("")
        status, calls = install("--force", "true")
        assert status == 0
        assert calls[-1].endswith("check_install.py")
        assert not any(call.endswith("[abx]") for call in install("--optional", "")[1])

    def test_unknown_option(self, install):
        assert install("--pyton", "x") == (2, [])


def check_install(environment: dict[str, str]) -> subprocess.CompletedProcess:
    """Run the check in this Python."""
    command = [sys.executable, ROOT / "tools/check_install.py"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_check_install_names_what_is_missing(tmp_path):
    """A kaldiio that cannot be imported, and a project that is complete otherwise."""
    (tmp_path / "kaldiio.py").write_text("raise ImportError('not here')\n")
    paths = f"{tmp_path}{os.pathsep}{ROOT}"
    result = check_install({**os.environ, "PYTHONPATH": paths})
    assert result.returncode == 1
    faults = [line for line in result.stderr.splitlines() if "MISSING" in line]
    assert len(faults) == 1
    assert "kaldiio" in faults[0]
    assert "ok       faiss" in result.stdout
