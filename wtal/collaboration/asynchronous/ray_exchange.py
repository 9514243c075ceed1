"""The exchange of branches that train as actors of Ray, on one machine or several."""

from pathlib import Path
from typing import Any

from wtal.collaboration.asynchronous.exchange import SUFFIX, FolderExchange
from wtal.io.versioned_files import VersionedFiles

__all__ = ["RayExchange"]


class RayExchange(FolderExchange):
    """The packets of a run's folder, which one actor of Ray hands out and takes, so that no machine sees them late.

    The actor has no state but the folder: Ray starts a lost one again, and it still knows all that was published. A
    call that Ray repeats for that reason does no harm.

    Args:
        folder: The folder.
        actor: The actor, see :meth:`start`.
    """

    def __init__(self, folder: Path, actor: Any) -> None:  # noqa: ANN401  a handle, whose methods Ray makes
        super().__init__(folder, _RemoteFiles(actor))
        self.actor = actor

    @classmethod
    def start(cls, folder: Path) -> "RayExchange":
        """Start the actor on this machine, whose folder it is; this process must be connected to Ray.

        Args:
            folder: The folder.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
        return cls(folder, ray.remote(VersionedFiles).options(**options).remote(folder.absolute(), SUFFIX))

    def close(self) -> None:
        """Tell the branches to end."""
        self.actor.close.remote()

    def is_closed(self) -> bool:
        """Whether the branches are to end.

        Raises:
            RayActorError: If the exchange is lost for good.
        """
        import ray

        return bool(ray.get(self.actor.is_closed.remote()))


class _RemoteFiles:
    """:class:`~wtal.io.versioned_files.VersionedFiles` in an actor."""

    def __init__(self, actor: Any) -> None:  # noqa: ANN401
        self.actor = actor

    def latest(self, home: str) -> int:
        import ray

        return int(ray.get(self.actor.latest.remote(home)))

    def read(self, home: str, version: int) -> bytes:
        import ray

        return bytes(ray.get(self.actor.read.remote(home, version)))

    def write(self, home: str, version: int, content: bytes) -> None:
        import ray

        ray.get(self.actor.write.remote(home, version, content))
