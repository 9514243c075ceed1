"""The width of features, which the heads of CBP take from the data where no configuration gives it."""

import inspect
from argparse import Namespace
from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any

from wtal.data.features import FeatureSource, is_wtalc, open_features, part_of
from wtal.errors import WTALError
from wtal.views import CBP, VLP

__all__ = ["take_widths"]


def take_widths(model: Namespace, data: Namespace) -> list[str]:
    """Set the ``in_dim`` of each head that has its default to the width of its features, such as 1024 of RGB alone.

    Args:
        model: Settings of the model, changed in place.
        data: Settings of the data; where features cannot be opened, training says why.

    Returns:
        One sentence per changed head.
    """
    return [remark for branch in _branches(model) if (remark := _take_width(branch, data))]


def _branches(settings: Any) -> Iterator[Any]:  # noqa: ANN401
    """Arguments of every branch whose head has an ``in_dim``."""
    if isinstance(settings, Namespace):
        head = getattr(settings, "head", None)
        if hasattr(getattr(head, "init_args", None), "in_dim"):
            yield settings
        for part in vars(settings).values():
            yield from _branches(part)


def _take_width(branch: Any, data: Namespace) -> str:  # noqa: ANN401
    head = branch.head
    usual = inspect.signature(resolve_name(head.class_path)).parameters["in_dim"].default
    view = getattr(branch, "view", None) or CBP
    streams = (*view.streams, *(VLP.streams if getattr(branch, "clip", False) else ()))
    widths = [_width(name, data) for name in streams]
    if head.init_args.in_dim != usual or 0 in widths or sum(widths) == usual:
        return ""
    head.init_args.in_dim = sum(widths)
    name, given = head.class_path.rpartition(".")[2], " and ".join(streams)
    return f"`in_dim` of {name} is {sum(widths)}, the width of the {given} features, instead of its default {usual}."


def _width(stream: str, data: Namespace) -> int:
    """Number of channels of a stream; 0 if it is not known before the annotations are read."""
    settings = getattr(data, "init_args", None)
    sources = {**(getattr(settings, "streams", None) or {}), **vars(settings or Namespace())}
    source = sources.get(stream)
    try:
        given = part_of(FeatureSource(**(vars(source) if isinstance(source, Namespace) else source or {})), stream)
        return 0 if is_wtalc(given) else open_features(given, ()).dim
    except (WTALError, TypeError):  # raised again when the data are opened
        return 0
