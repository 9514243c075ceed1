"""A branch that learns of classes while it is trained."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from wtal.nn.averaging import WeightAverage
from wtal.nn.class_rows import carry_over
from wtal.nn.heads import Head

__all__ = ["Renewed", "head_for"]

Renewed = dict[nn.Parameter, nn.Parameter]  # parameters of a new head by those of the former one


def head_for(
    class_names: Sequence[str],
    former_names: Sequence[str],
    make: Callable[[list[str]], Head],
    former: Head,
    average: WeightAverage | None,
    seed: int,
) -> tuple[Head, WeightAverage | None, Renewed]:
    """Make a branch's head for other classes.

    If the former classes come first, what the head has learned of them is kept, and so is the average of its weights;
    otherwise it begins anew, for a checkpoint to fill.

    Args:
        class_names: Names of the classes.
        former_names: Names of the former classes.
        make: Function from the class names to a head.
        former: The former head.
        average: Average of its weights, if there is one.
        seed: Seed of what is new.

    Returns:
        The head, the average, and which parameters take the place of which; none if the head begins anew.

    Raises:
        ConfigError: If the head cannot learn of new classes.
    """
    count, more = len(former_names), len(class_names) - len(former_names)
    place = next(iter(former.state_dict().values()), torch.zeros(())).device
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        head = make(list(class_names)).to(place)
    fresh = None if average is None else WeightAverage(head, average.decay).to(place)
    head.train(former.training)
    if list(class_names[:count]) != list(former_names):
        return head, fresh, {}
    carry_over(head, former, count, more)
    head.is_trained = former.is_trained
    if fresh is not None and average is not None:
        carry_over(fresh, average, count, more)
    return head, fresh, dict(zip(former.parameters(), head.parameters(), strict=True))
