"""Freed memory is kept between steps; counted in a process of its own, as the setting cannot be taken back."""

import platform
import subprocess
import sys

import pytest

BLOCKS, FLOATS = 8, 4_000_000  # 16 MB each
COUNT = f"""
import resource, torch
from wtal.training.memory import keep_freed_memory
def step():
    blocks = [torch.ones({FLOATS}) for _ in range({BLOCKS})]
assert keep_freed_memory()
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library is left as it is")
def test_twenty_steps_ask_for_less_new_memory_than_one_needs() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, check=True, text=True)
    assert int(done.stdout) < BLOCKS * FLOATS * 4 / 4096
