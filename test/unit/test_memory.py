import platform
import subprocess
import sys

import pytest

# Takes and frees 200 MB ten times; prints how many pages the system had to clear after the first time.
PROGRAM = """
import resource
import numpy as np
from hubert_iter.train import memory
{call}
for turn in range(11):
    if turn == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(25_000_000).fill(1.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs GNU's C library")
def test_freed_memory_is_not_cleared_again():
    cleared = []
    for call in ("", "memory.keep_freed()"):
        done = subprocess.run([sys.executable, "-c", PROGRAM.format(call=call)], capture_output=True, check=True)
        cleared.append(int(done.stdout))
    returned, kept = cleared
    assert kept < returned / 10
