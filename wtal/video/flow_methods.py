"""The names of the methods of optical flow, which the command line shows before anything heavy is imported."""

from typing import Literal

__all__ = ["FlowMethod"]

FlowMethod = Literal["tvl1", "tvl1_torch", "tvl1_fast", "dis"]
