"""An exponential moving average of the weights of a network, for inference and for teaching."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["WeightAverage"]


class WeightAverage(nn.Module):
    """Keeps averages of a network's trainable parameters as buffers, and runs the network with them.

    The network itself is neither copied nor changed: a frozen text tower inside it is not doubled, and an optimizer
    sees no second set of parameters. Early on the average forgets faster, so that the initial weights do not hold it
    back.

    Args:
        network: The network whose weights are averaged.
        decay: Share of the average that one step keeps, in [0, 1).

    Raises:
        ValueError: If the decay is out of range.

    Source:
        Mean teacher, arXiv:1703.01780, section 2. Its use is our choice, not the paper's.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must lie in [0, 1), got {decay}.")
        self.decay = decay
        self.steps: Tensor
        self.register_buffer("steps", torch.tensor(0))
        self._names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                self.register_buffer(_key(name), parameter.detach().clone())

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Update the average with the weights after a step."""
        self.steps += 1
        steps = int(self.steps)
        keep = min(self.decay, (1 + steps) / (10 + steps))
        parameters = dict(network.named_parameters())
        for name in self._names:
            self.get_buffer(_key(name)).lerp_(parameters[name], 1 - keep)

    @torch.no_grad()
    def write_into(self, network: nn.Module) -> None:
        """Give the network the averages for its own weights, which are lost: for an export."""
        parameters = dict(network.named_parameters())
        for name in self._names:
            parameters[name].copy_(self.get_buffer(_key(name)))

    def forward(self, network: nn.Module, *inputs: Tensor) -> Any:  # noqa: ANN401  whatever the network returns
        """Run the network on the inputs with the averaged weights."""
        return functional_call(network, {name: self.get_buffer(_key(name)) for name in self._names}, inputs)


def _key(name: str) -> str:
    """Name of a buffer, which may contain no dots."""
    return name.replace(".", "__")
