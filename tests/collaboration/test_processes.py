import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import importlib.util, sys
from pathlib import Path
import torch
from wtal.collaboration import Schedule

spec = importlib.util.spec_from_file_location("conftest", sys.argv[1])
conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conftest)
folder, devices = Path(sys.argv[2]), int(sys.argv[3])
pair = conftest.Pair(folder)
data = pair.data()
model = pair.model(data, Schedule(warm_up=0, pattern="BF"))
strategy = "ddp_find_unused_parameters_true" if devices > 1 else "auto"
trainer = pair.trainer(2, devices=devices, strategy=strategy)
trainer.fit(model, data)
if trainer.is_global_zero:
    torch.save(trainer.fit_loop.buffers["vlp"].state_dict(), folder / f"labels{devices}.pt")
"""


@pytest.mark.slow
def test_two_processes_fill_the_buffers_of_one(pair, tmp_path: Path):
    import torch

    pair.data()  # written once, before two processes want it
    script = tmp_path / "fit.py"
    script.write_text(SCRIPT)
    labels = []
    for devices in (1, 2):
        command = [sys.executable, script, Path(__file__).with_name("conftest.py"), tmp_path, str(devices)]
        subprocess.run(command, check=True, timeout=300, cwd=Path(__file__).parents[2])
        labels.append(torch.load(tmp_path / f"labels{devices}.pt", weights_only=True))
    one, two = labels
    assert (one["label"] >= 0).any()
    assert all(torch.equal(one[name], two[name]) for name in one)
