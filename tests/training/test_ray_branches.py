"""Both branches of a collaboration as actors of Ray."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.training.test_asynchronous import SHORT, ages
from wtal.collaboration.asynchronous import ExchangeSettings
from wtal.commands.main import main
from wtal.errors import ConfigError
from wtal.io.extras import MissingPackageError
from wtal.results.identity import Identity
from wtal.training.ray_branches import _check, need_ray

with_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'wtal[ray]'")
FIT = ["fit", "-c", "synthetic.yaml", *SHORT, "--asynchronous=true", "--exchange.every=3", "--exchange.transport=ray"]
PATIENCE_S = 500


def test_a_missing_ray_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"ray is not installed: run `pip install 'wtal\[ray\]'`\."):
        need_ray()


def test_a_machine_that_is_too_small_is_refused_and_a_cluster_may_grow() -> None:
    one = {"CPU": 2.0, "GPU": 1.0}
    _check(one, ExchangeSettings(), 2, 0.5)
    with pytest.raises(ConfigError, match=r"2 branches need 2 GPUs, 1 there: lower `exchange\.cpus` or `exchange\.gpu"):
        _check(one, ExchangeSettings(), 2, 1.0)
    with pytest.warns(UserWarning, match="2 branches need 8 CPUs, 2 there: they wait until the cluster has them"):
        _check(one, ExchangeSettings(address="auto", cpus=4), 2, 0.0)


@pytest.mark.parametrize("wrong", [{"cpus": 0}, {"gpus": -1}, {"address": "ray://head:10001"}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="exchange"):
        ExchangeSettings(**wrong)  # type: ignore[arg-type]


def test_a_run_keeps_its_identity_with_another_transport() -> None:
    exchange = {"every": 3, "transport": "folder", "address": None, "cpus": 1.0, "gpus": None}
    one = Identity.of({"asynchronous": True, "exchange": exchange})
    other = Identity.of({"asynchronous": True, "exchange": {**exchange, "transport": "ray", "gpus": 0.5}})
    before = Identity.of({"asynchronous": True, "exchange": {"every": 3}})
    assert one == other == before
    assert one != Identity.of({"asynchronous": True, "exchange": {**exchange, "every": 4}})


# With Ray -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Starts the command line in a folder of its own, and lists its processes, by what they call themselves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def processes() -> dict[int, str]:
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            try:  # all begin in this folder; what they call themselves, and their environment, Ray changes
                if (place / "cwd").readlink() == tmp_path and int(place.name) != os.getpid():
                    found[int(place.name)] = (place / "cmdline").read_text()
            except OSError:
                continue
        return found

    def start(*words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-m", "wtal", *words])

    return SimpleNamespace(start=start, processes=processes, folder=tmp_path)


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@with_ray
@pytest.mark.slow
def test_a_killed_actor_goes_on_nothing_is_left_and_the_training_is_repeated(command: SimpleNamespace) -> None:
    run = command.folder / "runs" / "killed" / "version_0"
    process = command.start(*FIT, "--name=killed", "--then_test=true")
    until(lambda: (run / "asynchronous" / "cbp" / "checkpoints" / "last.ckpt").is_file())
    actors = [pid for pid, text in command.processes().items() if "BranchActor" in text]
    assert len(actors) == 2
    os.kill(actors[0], signal.SIGKILL)
    assert process.wait(PATIENCE_S) == 0
    until(lambda: not command.processes())
    assert ages(run)
    assert max(ages(run)) <= 1
    assert "test/fused/mAP" in json.loads((run / "record.json").read_text())["metrics"]
    assert main(["replay", str(run)]) == 0  # in processes, without Ray


@with_ray
@pytest.mark.slow
def test_a_killed_command_leaves_no_process_and_is_resumed_without_ray(command: SimpleNamespace) -> None:
    run = command.folder / "runs" / "cut" / "version_0"
    process = command.start(*FIT, "--name=cut", "--resume=true")
    until(lambda: list(run.rglob("journal.jsonl")))
    process.kill()
    process.wait()
    until(lambda: not command.processes())
    assert main([*FIT, "--exchange.transport=folder", "--name=cut", "--resume=true"]) == 0
    assert [path.name for path in run.parent.iterdir()] == ["version_0"]
    assert main(["replay", str(run)]) == 0
