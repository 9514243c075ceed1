"""The branches of an asynchronous training as actors of Ray."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_warn

from wtal.collaboration.asynchronous import ExchangeSettings, RayExchange
from wtal.errors import ConfigError, one_line
from wtal.io.ray_cluster import connected, need_ray
from wtal.results.run_folder import RunFolder

__all__ = ["RayBranch", "branches_on_ray", "need_ray"]

_PATIENCE_S = 20.0  # of an actor that is asked to end


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

    with connected(settings.address, math.ceil(branches * settings.cpus), "exchange.address"):
        total = float(ray.cluster_resources().get("GPU", 0))
        gpus = settings.gpus if settings.gpus is not None else min(1.0, total / branches) if uses_gpu else 0.0
        _check(ray.cluster_resources(), settings, branches, gpus)
        exchange = RayExchange.start(run.asynchronous)
        options = {"num_cpus": settings.cpus, "num_gpus": gpus, "max_restarts": 0}
        yield lambda name: RayBranch.start(run, name, exchange, options)


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
