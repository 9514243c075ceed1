"""A cluster of Ray: connected to, or started on this machine, and functions that are called there."""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from wtal.errors import ConfigError, one_line
from wtal.io.extras import from_extra

__all__ = ["RaySettings", "RayTasks", "connected", "need_ray"]

T = TypeVar("T")

_STORE_BYTES = 100 * 2**20  # of the objects of a cluster of our own; what is sent is small
_TRIES = 3  # to start Ray, which gives up after 30 s on a machine that is busy
_LOSSES = 10  # of the process of one task
_ENVIRONMENT = {  # of a cluster of our own
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # otherwise 15, so that anything else on the machine would come first
    "RAY_worker_register_timeout_seconds": "600",  # a busy machine may need longer than the minute that is usual
}


def need_ray() -> None:
    """Refuse a machine without Ray.

    Raises:
        MissingPackageError: If it is not installed.
    """
    with from_extra("ray"):
        import ray  # noqa: F401


@contextmanager
def connected(address: str | None, cpus: int, option: str) -> Iterator[None]:
    """Connect to Ray, or start it on this machine, and leave nothing running afterwards.

    Args:
        address: Address of the cluster, or ``auto``; None starts one.
        cpus: Number of CPUs of a cluster that is started.
        option: Name of the option that the address was given by, for messages.

    Raises:
        MissingPackageError: If Ray is not installed.
        ConfigError: If there is no cluster at the address, or none can be started.
    """
    need_ray()
    import ray

    handler = signal.getsignal(signal.SIGTERM)
    folder = tempfile.mkdtemp(prefix="wtal_ray_", dir=os.environ.get("RAY_TMPDIR"))
    try:
        _init(address, cpus, folder, option)
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray has put its own in the place of Lightning's
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _init(address: str | None, cpus: int, folder: str, option: str) -> None:
    """Connect to the cluster, or start one with its files in a folder.

    Raises:
        ConfigError: If that fails.
    """
    import ray

    common = {"log_to_driver": False, "logging_level": "ERROR"}
    own = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": _STORE_BYTES, "_temp_dir": folder}
    tries = 1 if address else _TRIES
    if not address:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
    for attempt in range(1, tries + 1):
        try:
            ray.init(address or "local", **common, **({} if address else own))
            return
        except Exception as error:  # Ray raises a plain one where its processes are slow to start
            ray.shutdown()
            if attempt == tries:
                place = f"at `{option}` {address}" if address else "on this machine"
                raise ConfigError(f"Ray cannot be used {place}: {one_line(str(error))}") from error


@dataclass(frozen=True)
class RaySettings:
    """Where tasks of Ray run, and what is reserved for each.

    Args:
        address: Address of a running cluster, ``auto`` for the one that this machine belongs to; None to start one on
            this machine that ends with the command.
        cpus: CPUs that are reserved for a task.
        gpus: GPUs, or a share of one, that are reserved for a task.

    Raises:
        ConfigError: If a number is out of range, or the address is that of a client.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.cpus <= 0 or self.gpus < 0:
            raise ConfigError(f"`ray` needs cpus > 0 and gpus >= 0, got {self.cpus} and {self.gpus}.")
        if (self.address or "").startswith("ray://"):
            raise ConfigError(
                f"`ray.address` {self.address} is that of a Ray client, which may see another folder: start the "
                "command on a machine of the cluster, with `--ray.address auto`."
            )


class RayTasks:
    """Calls functions in processes that Ray starts, and again if a process or its machine is lost.

    Args:
        settings: What is reserved for each.
    """

    def __init__(self, settings: RaySettings) -> None:
        import ray

        options = {"num_cpus": settings.cpus, "num_gpus": settings.gpus, "max_retries": _LOSSES}
        self._task = ray.remote(_in_folder).options(**options)
        self._running: set[Any] = set()

    def call(self, function: Callable[..., T], *given: object) -> T:
        """Call a function as soon as there is room, and wait for what it returns.

        Args:
            function: A function of a module; whatever it did before its process was lost, it must be able to go on.
            given: Its arguments.

        Raises:
            Exception: Whatever the function raises.
            ConfigError: If its process was lost again and again.
        """
        import ray

        place = self._task.remote(os.getcwd(), function, *given)
        self._running.add(place)
        try:
            return cast(T, ray.get(place))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise ConfigError(
                f"Ray has lost the process of a task {_LOSSES + 1} times, or it was ended "
                f"({one_line(str(error))[:200]}): look at the machines' memory, and start again, as what is finished "
                "is kept."
            ) from error
        finally:
            self._running.discard(place)

    def end(self) -> None:
        """End all that runs."""
        import ray

        for place in list(self._running):
            ray.cancel(place, force=True)


def _in_folder(directory: str, function: Callable[..., T], *given: object) -> T:
    """Call a function in the folder that relative paths begin at.

    Raises:
        ConfigError: If this machine does not see the folder.
    """
    try:
        os.chdir(directory)
    except OSError as error:
        raise ConfigError(
            f"{socket.gethostname()} does not see {directory} ({error.strerror}): all machines of the cluster need the "
            "folder and the data under the same paths."
        ) from error
    if directory not in sys.path:
        sys.path.append(directory)  # where the classes named in a user's configuration are
    return function(*given)
