"""Networks: layers along time, text features, heads."""

from wtal.nn.averaging import WeightAverage
from wtal.nn.normalization import FeatureNorm
from wtal.nn.temporal import AttentionLayer, MaskedConv, TemporalConv, TemporalTransformer, moving_average

__all__ = [
    "AttentionLayer",
    "FeatureNorm",
    "MaskedConv",
    "TemporalConv",
    "TemporalTransformer",
    "WeightAverage",
    "moving_average",
]
