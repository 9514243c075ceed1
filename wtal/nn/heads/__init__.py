"""Heads: published CBP methods and the VLP heads, each in one file with its own losses and defaults."""

from wtal.nn.heads.acm import ACMHead, ACMOutput, ACMWeights
from wtal.nn.heads.anchored_text import AnchoredTextHead
from wtal.nn.heads.attention_mil import AttentionMILHead
from wtal.nn.heads.basnet import BaSNetHead, BaSNetOutput
from wtal.nn.heads.co2 import CO2Head, CO2Output, CO2Weights
from wtal.nn.heads.delu import DELUHead, DELUWeights
from wtal.nn.heads.head import AttentionHead, AttentionWeights, Head
from wtal.nn.heads.mixture import MixtureHead
from wtal.nn.heads.text import TextHead
from wtal.nn.heads.um import UMHead, UMOutput
from wtal.nn.heads.zero_shot import ZeroShotHead

__all__ = [
    "ACMHead",
    "ACMOutput",
    "ACMWeights",
    "AnchoredTextHead",
    "AttentionHead",
    "AttentionMILHead",
    "AttentionWeights",
    "BaSNetHead",
    "BaSNetOutput",
    "CO2Head",
    "CO2Output",
    "CO2Weights",
    "DELUHead",
    "DELUWeights",
    "Head",
    "MixtureHead",
    "TextHead",
    "UMHead",
    "UMOutput",
    "ZeroShotHead",
]
