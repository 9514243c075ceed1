"""Exact or fast features, by one word."""

from typing import Literal

from wtal.errors import ConfigError
from wtal.video.flow_methods import FlowMethod

__all__ = ["FLOWS", "Preset", "chosen_flow"]

Preset = Literal["exact", "fast"]

FLOWS: dict[Preset, FlowMethod] = {"exact": "tvl1", "fast": "tvl1_fast"}


def chosen_flow(preset: Preset | None, flow: FlowMethod | None) -> FlowMethod | None:
    """The method of optical flow that two options choose; None if neither is given.

    Args:
        preset: What the features shall be.
        flow: Method of optical flow.

    Raises:
        ConfigError: If they disagree.

    >>> chosen_flow("fast", None), chosen_flow(None, "dis"), chosen_flow(None, None)
    ('tvl1_fast', 'dis', None)
    """
    if preset is None:
        return flow
    if flow not in (None, FLOWS[preset]):
        raise ConfigError(
            f"`--preset {preset}` means `--flow {FLOWS[preset]}`, but `--flow {flow}` is given too: leave one of them "
            "out."
        )
    return FLOWS[preset]
