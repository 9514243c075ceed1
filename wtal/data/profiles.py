"""Which settings suit a data set, as far as its video labels say."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = ["SEVERAL", "is_dense", "profile_remarks"]

SEVERAL = 1.5  # labels of a video on average, from which on the videos count as dense


def is_dense(labels: pd.Series) -> bool:
    """Whether videos show several classes each, so that ``profiles/dense.yaml`` suits them.

    What labels leave open is then which class is where, rather than where there is any. THUMOS14 has 1.1 labels a
    video, ActivityNet 1.0, cooking and gestures 2 to 3. How much of a video its actions fill, the labels do not say.

    Args:
        labels: Labels of the training videos, a sequence for each; those without any do not count.

    >>> is_dense(pd.Series([["cut", "peel"], ["cut"], ["peel", "mix", "cut"], []]))
    True
    """
    counts = labels.map(len)
    return bool(counts[counts > 0].mean() >= SEVERAL)


def profile_remarks(settings: Sequence[Mapping[str, Any]], labels: pd.Series) -> Iterator[str]:
    """A recommendation of the profile to a collaboration that has other values.

    Args:
        settings: Contents of the configurations that the user gave, each over the ones before.
        labels: See :func:`is_dense`.
    """
    agree = None
    for given in settings:
        value: Any = given
        for key in ("model", "init_args", "schedule", "agree"):
            value = value.get(key) if isinstance(value, Mapping) else None
        agree = agree if value is None else value
    if agree in (True, "F") and is_dense(labels):
        counts = labels.map(len)
        yield (
            f"The training videos have {counts[counts > 0].mean():.1f} labels on average: `-c profiles/dense.yaml` "
            "after the other configurations suits them better."
        )
