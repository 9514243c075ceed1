"""The branches of an asynchronous training as actors of Ray."""

import math
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_warn

from wtal.collaboration.asynchronous import ExchangeSettings, RayExchange
from wtal.errors import ConfigError, one_line
from wtal.io.extras import from_extra
from wtal.results.run_folder import RunFolder

__all__ = ["RayBranch", "branches_on_ray", "need_ray"]

_STORE_BYTES = 100 * 2**20  # of the objects of a cluster of our own; packets are small
_TRIES = 3  # to start Ray, which gives up after 30 s on a machine that is busy
_ENVIRONMENT = {  # of a cluster of our own
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # otherwise 15, so that anything else on the machine would come first
    "RAY_worker_register_timeout_seconds": "600",  # a busy machine may need longer than the minute that is usual
}
_PATIENCE_S = 20.0  # of an actor that is asked to end


def need_ray() -> None:
    """Refuse a machine without Ray.

    Raises:
        MissingPackageError: If it is not installed.
    """
    with from_extra("ray"):
        import ray  # noqa: F401


@contextmanager
def branches_on_ray(
    run: RunFolder, settings: ExchangeSettings, branches: int, uses_gpu: bool
) -> "Iterator[Callable[[str], RayBranch]]":
    """Connect to Ray, or start it, for as long as the block lasts.

    Args:
        run: Folder of the run.
        settings: Address of the cluster, and what Ray reserves for each branch.
        branches: Number of branches.
        uses_gpu: Whether the branches compute on a GPU unless the settings say otherwise.

    Yields:
        Starts the actor of a branch, by the branch's name.

    Raises:
        ConfigError: If there is no cluster at the address, or it is too small.
    """
    import ray

    with _connected(settings, branches):
        total = float(ray.cluster_resources().get("GPU", 0))
        gpus = settings.gpus if settings.gpus is not None else min(1.0, total / branches) if uses_gpu else 0.0
        _check(ray.cluster_resources(), settings, branches, gpus)
        exchange = RayExchange.start(run.asynchronous)
        options = {"num_cpus": settings.cpus, "num_gpus": gpus, "max_restarts": 0}
        yield lambda name: RayBranch.start(run, name, exchange, options)


@contextmanager
def _connected(settings: ExchangeSettings, branches: int) -> Iterator[None]:
    import ray

    handler = signal.getsignal(signal.SIGTERM)
    folder = tempfile.mkdtemp(prefix="wtal_ray_", dir=os.environ.get("RAY_TMPDIR"))
    try:
        _init(settings, math.ceil(branches * settings.cpus), folder)
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray has put its own in the place of Lightning's
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _init(settings: ExchangeSettings, cpus: int, folder: str) -> None:
    """Connect to the cluster, or start one with its files in a folder.

    Raises:
        ConfigError: If that fails.
    """
    import ray

    common = {"log_to_driver": False, "logging_level": "ERROR"}
    own = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": _STORE_BYTES, "_temp_dir": folder}
    tries = 1 if settings.address else _TRIES
    if not settings.address:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
    for attempt in range(1, tries + 1):
        try:
            ray.init(settings.address or "local", **common, **({} if settings.address else own))
            return
        except Exception as error:  # Ray raises a plain one where its processes are slow to start
            ray.shutdown()
            if attempt == tries:
                place = f"at `exchange.address` {settings.address}" if settings.address else "on this machine"
                raise ConfigError(f"Ray cannot be used {place}: {one_line(str(error))}") from error


def _check(resources: dict[str, float], settings: ExchangeSettings, branches: int, gpus: float) -> None:
    """Compare what Ray has with what the branches need; a cluster may still grow.

    Raises:
        ConfigError: If a machine of our own is too small.
    """
    lacking = [
        f"{branches * need:g} {kind}s, {resources.get(kind, 0):g} there"
        for kind, need in (("CPU", settings.cpus), ("GPU", gpus))
        if resources.get(kind, 0) < branches * need
    ]
    if not lacking:
        return
    text = f"{branches} branches need {' and '.join(lacking)}"
    if settings.address is None:
        raise ConfigError(f"{text}: lower `exchange.cpus` or `exchange.gpus`, which may be a share of one.")
    rank_zero_warn(f"{text}: they wait until the cluster has them.")


@dataclass
class RayBranch:
    """The actor of one branch, as the process that supervises it sees it.

    Args:
        name: Name of the branch.
        actor: Handle of the actor.
        result: Reference to what its training returns.
        exchange: The exchange, by which it is asked to end.
    """

    name: str
    actor: Any
    result: Any
    exchange: RayExchange

    @classmethod
    def start(cls, run: RunFolder, name: str, exchange: RayExchange, options: dict[str, Any]) -> "RayBranch":
        """Start the actor, as soon as Ray has room for it.

        Args:
            run: Folder of the run.
            name: Name of the branch.
            exchange: The exchange.
            options: Options of the actor.
        """
        import ray

        # by name, as a process is, since it stands on the command line, which stands on this module
        kind = import_module("wtal.training.branch_actor").BranchActor
        actor = ray.remote(kind).options(**options).remote()
        result = actor.train.remote(str(run), name, exchange.actor, os.getcwd(), torch.get_num_threads())
        return cls(name, actor, result, exchange)

    def ending(self) -> str | None:
        """How it ended: empty if the branch is trained, else why it must be started again; None while it trains.

        Raises:
            ConfigError: If another start would not help.
        """
        import ray

        if not ray.wait([self.result], timeout=0)[0]:
            return None
        try:
            mistake = ray.get(self.result)
        except ray.exceptions.RayTaskError as error:
            return f"failed ({one_line(str(error.cause))})"
        except ray.exceptions.RayError:
            return "was lost"
        finally:
            ray.kill(self.actor)
        if mistake:
            raise ConfigError(f"{self.name}: {mistake}")
        return ""

    def end(self) -> None:
        """End the actor, which may still write a checkpoint."""
        import ray

        self.exchange.close()
        ray.wait([self.result], timeout=_PATIENCE_S)
        ray.kill(self.actor)
