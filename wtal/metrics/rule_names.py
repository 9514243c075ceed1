"""The names of the rule sets, which the command line shows before anything heavy is imported."""

from typing import Literal

__all__ = ["FrameRulesName", "RuleSetName"]

RuleSetName = Literal["activitynet-official", "opentad", "actionformer", "co2net", "wtalc"]
FrameRulesName = Literal["wtal", "rtfm", "ur-dmu", "vadclip-ucf", "vadclip-xd"]
