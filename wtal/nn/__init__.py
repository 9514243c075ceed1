"""Networks: layers along time, text features, heads."""

from wtal.nn.averaging import WeightAverage
from wtal.nn.normalization import FeatureNorm
from wtal.nn.pyramid import PyramidHead, PyramidOutput
from wtal.nn.temporal import AttentionLayer, MaskedConv, TemporalConv, TemporalTransformer, moving_average

__all__ = [
    "AttentionLayer",
    "FeatureNorm",
    "MaskedConv",
    "PyramidHead",
    "PyramidOutput",
    "TemporalConv",
    "TemporalTransformer",
    "WeightAverage",
    "moving_average",
]
