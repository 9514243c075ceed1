"""wandb's real agent on a sweep file, without its server: only the calls to that are replaced.

``python offline_agent.py sweep.yaml`` runs every combination of a grid and prints how many finished and failed.
"""

import multiprocessing
import os
import sys
from pathlib import Path
from unittest import mock

from wandb.wandb_agent import Agent

from wtal.sweep.definition import read_sweep


def drive(path: Path) -> tuple[int, int]:
    """Finished and failed runs of a grid."""
    sweep = read_sweep(path)
    orders = [
        {
            "type": "run",
            "run_id": f"run{place}",
            "program": "wtal",
            "args": {name: {"value": value} for name, value in assignment.items()},
        }
        for place, assignment in enumerate(sweep.grid())
    ]

    def heartbeat(api: object, agent_id: str, metrics: object, running: object) -> list[dict[str, object]]:
        if running:
            return []
        return [orders.pop(0)] if orders else [{"type": "exit"}]

    calls = "wandb.apis.public.sweeps."
    os.environ["WANDB_SWEEP_ID"] = "offline"  # as `wandb agent` does
    with (
        mock.patch(calls + "_sweep_with_runs", return_value={"config": path.read_text()}),
        mock.patch(calls + "_register_agent", return_value={"id": "agent"}),
        mock.patch(calls + "_agent_heartbeat", heartbeat),
        mock.patch("wandb.Api"),
        mock.patch("wandb.teardown"),
    ):
        agent = Agent(None, multiprocessing.Queue(), sweep_id="offline")
        agent.POLL_INTERVAL = 1
        agent.run()
    return agent._finished, agent._failed


if __name__ == "__main__":
    print(*drive(Path(sys.argv[1])))
