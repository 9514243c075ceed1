"""Networks that learn of new classes: made again with more rows, they keep what they know of the former ones."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from wtal.errors import ConfigError

__all__ = ["carry_over", "carry_over_moments", "with_former_rows"]


def with_former_rows(fresh: Tensor, former: Tensor, count: int, more: int) -> Tensor:
    """A tensor for more classes, in which the rows of the former classes are those that it had.

    Tensors of one shape are the same for any classes. Of others, one axis grows by the number of new classes, which
    come after the former ones; where that axis has one place more than there were classes, the last one is that of the
    background, which stays last.

    Args:
        fresh: The new tensor.
        former: The former tensor.
        count: Number of former classes.
        more: Number of new classes.

    Raises:
        ConfigError: If the shapes differ in another way.

    >>> with_former_rows(torch.zeros(4), torch.tensor([1.0, 2.0, 9.0]), count=2, more=1)
    tensor([1., 2., 0., 9.])
    >>> with_former_rows(torch.zeros(3), torch.tensor([1.0, 2.0]), count=2, more=1)
    tensor([1., 2., 0.])
    """
    if fresh.shape == former.shape:
        return former.clone()
    axes = [axis for axis, (new, old) in enumerate(zip(fresh.shape, former.shape, strict=False)) if new != old]
    if fresh.dim() != former.dim() or len(axes) != 1 or fresh.shape[axes[0]] - former.shape[axes[0]] != more:
        raise ConfigError(
            f"A network with weights of shape {tuple(former.shape)} cannot learn of new classes, as these become "
            f"{tuple(fresh.shape)}: name all classes from the start in `data.class_names`."
        )
    made, size = fresh.clone().movedim(axes[0], 0), former.shape[axes[0]]
    rows = former.to(fresh).movedim(axes[0], 0)
    first = count if size == count + 1 else size
    made[:first] = rows[:first]
    if first < size:
        made[-1] = rows[-1]
    return made.movedim(0, axes[0])


@torch.no_grad()
def carry_over(fresh: nn.Module, former: nn.Module, count: int, more: int) -> None:
    """Fill a network that was made for more classes with what another one knows; see :func:`with_former_rows`.

    Raises:
        ConfigError: If it is another network.
    """
    known, state = former.state_dict(), fresh.state_dict()
    if known.keys() != state.keys():
        raise ConfigError("A network that changes its weights with its classes cannot learn of new ones.")
    fresh.load_state_dict({name: with_former_rows(state[name], known[name], count, more) for name in state})


def carry_over_moments(
    optimizers: Iterable[Optimizer], renewed: Mapping[nn.Parameter, nn.Parameter], count: int, more: int
) -> None:
    """Let optimizers go on with parameters that took the place of others; moments of new rows begin at zero.

    Args:
        optimizers: The optimizers, changed in place.
        renewed: New parameters by the former ones.
        count: Number of former classes.
        more: Number of new classes.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["params"][:] = [renewed.get(parameter, parameter) for parameter in group["params"]]
        for former, fresh in renewed.items():
            if former in optimizer.state:
                moments = optimizer.state.pop(former)
                optimizer.state[fresh] = {
                    name: with_former_rows(torch.zeros_like(fresh, dtype=value.dtype), value, count, more)
                    if isinstance(value, Tensor) and value.shape == former.shape
                    else value
                    for name, value in moments.items()
                }
