"""Freed memory is kept between steps; counted in a process of its own, as the setting cannot be taken back."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys, torch
from wtal.training.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def step():
    blocks = [torch.ones(4_000_000) for _ in range(8)]  # 16 MB each
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library is left as it is")
def test_steps_share_their_memory() -> None:
    faults = {
        way: int(subprocess.run([sys.executable, "-c", COUNT, way], capture_output=True, check=True, text=True).stdout)
        for way in ("given back", "kept")
    }
    assert faults["kept"] < faults["given back"] / 10
