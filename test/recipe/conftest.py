"""The synthetic recipe, run once for all tests of this folder."""

import shutil

import pytest
from recipe_runs import Folders, end_of


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> tuple[Folders, str]:
    """A recipe that has run through, in a folder with a space, and what it printed."""
    folders = Folders(tmp_path_factory.mktemp("recipe") / "with space")
    result = folders.run()
    assert result.returncode == 0, end_of(result.stdout)
    return folders, result.stdout


@pytest.fixture
def copy(finished, tmp_path) -> Folders:
    """A copy of the finished recipe's models and data, to break. wav.scp still names the original audio."""
    shutil.copytree(finished[0].root, tmp_path / "copy", symlinks=True)
    return Folders(tmp_path / "copy")
