"""Heads: published CBP methods and the two VLP heads, each in one file with its own losses and defaults."""

from wtal.nn.heads.acm import ACMHead
from wtal.nn.heads.attention_mil import AttentionMILHead
from wtal.nn.heads.basnet import BaSNetHead
from wtal.nn.heads.co2 import CO2Head
from wtal.nn.heads.delu import DELUHead
from wtal.nn.heads.head import Head
from wtal.nn.heads.text import TextHead
from wtal.nn.heads.um import UMHead
from wtal.nn.heads.zero_shot import ZeroShotHead

__all__ = [
    "ACMHead",
    "AttentionMILHead",
    "BaSNetHead",
    "CO2Head",
    "DELUHead",
    "Head",
    "TextHead",
    "UMHead",
    "ZeroShotHead",
]
