"""Values as a caller in Python gives them: one where several are meant, a text where a list is needed."""

from collections.abc import Iterable
from typing import Any

from wtal.errors import ConfigError, brief

__all__ = ["listed", "numbers", "one_or_more"]


def listed(option: str, given: Iterable[str]) -> list[str]:
    """Names in their order.

    Raises:
        ConfigError: If a single text is given, whose letters would pass for names, or anything that holds no texts.

    >>> listed("class_names", ("run", "jump"))
    ['run', 'jump']
    """
    found = None if isinstance(given, str | bytes) or not isinstance(given, Iterable) else list(given)
    if found is None or not all(isinstance(name, str) for name in found):
        raise ConfigError(f"`{option}` is {brief(given)}: give a list of names, such as ['run', 'jump'].")
    return found


def one_or_more(option: str, given: str | Iterable[str]) -> list[str]:
    """Names in their order; a single text is a list of one.

    Raises:
        ConfigError: If anything that holds no texts is given.

    >>> one_or_more("train_subset", "train"), one_or_more("train_subset", ["train", "val"])
    (['train'], ['train', 'val'])
    """
    return [given] if isinstance(given, str) else listed(option, given)


def numbers(option: str, given: float | Iterable[float]) -> tuple[float, ...]:
    """Numbers in their order; a single one is a list of one.

    Raises:
        ConfigError: If anything else is given.

    >>> numbers("tious", 0.5), numbers("tious", [0.3, 0.5])
    ((0.5,), (0.3, 0.5))
    """
    values: list[Any] = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]
    try:
        return tuple(value if isinstance(value, int | float) else float(value.item()) for value in values)  # of NumPy
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"`{option}` is {brief(given)}: give a list of numbers, such as [0.3, 0.5].") from error
