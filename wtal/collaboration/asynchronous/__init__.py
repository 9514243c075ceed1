"""Branches that teach each other while both train: packets of labels, their exchange, and the journal of their use."""

from wtal.collaboration.asynchronous.callback import ExchangeCallback
from wtal.collaboration.asynchronous.exchange import Exchange, ExchangeSettings, FolderExchange
from wtal.collaboration.asynchronous.lessons import lesson_of_teacher, own_lessons
from wtal.collaboration.asynchronous.packets import LabelPacket, packed, unpacked
from wtal.collaboration.asynchronous.ray_exchange import RayExchange
from wtal.collaboration.asynchronous.supervision import AsynchronousLoop, Workers, fill_branches
from wtal.collaboration.asynchronous.teaching import Teacher
from wtal.results.journal import Given, Journal, Taken

__all__ = [
    "AsynchronousLoop",
    "Exchange",
    "ExchangeCallback",
    "ExchangeSettings",
    "FolderExchange",
    "Given",
    "Journal",
    "LabelPacket",
    "RayExchange",
    "Taken",
    "Teacher",
    "Workers",
    "fill_branches",
    "lesson_of_teacher",
    "own_lessons",
    "packed",
    "unpacked",
]
