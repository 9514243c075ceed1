"""Small trainable parts of frozen encoders, zero at the start."""

from wtal.nn.adapters.adaptation import Adaptation, adapt
from wtal.nn.adapters.low_rank import LowRank, add_low_rank
from wtal.nn.adapters.peft_layers import add_peft
from wtal.nn.adapters.temporal_adapter import TemporalAdapter, add_temporal_adapters

__all__ = ["Adaptation", "LowRank", "TemporalAdapter", "adapt", "add_low_rank", "add_peft", "add_temporal_adapters"]
