"""From a latent and labels to styles w: the mapping network, in S5's form and in that of the ADA paper's code."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from anime_gen.blocks.layers import times
from anime_gen.contract import UserError
from anime_gen.families.stylegan2.layers import Dense, exact, normalised

RATE = 0.01  # factor of the mapping network's learning rate (Karras et al. 2019, appendix C)


def dense_layers(inputs: int, width: int, layers: int) -> nn.Sequential:
    """Active dense layers, (B, inputs) -> (B, width)."""
    return nn.Sequential(
        *(Dense(inputs if k == 0 else width, width, rate=RATE, active=True) for k in times("mapping_layers", layers))
    )


class Joined(nn.Module):
    """Labels become a vector as long as z; both are joined and then normalised, so that louder labels say more (S5).

    Args:
        labels: numbers that say the labels; 0 for none.
        width: of z and of w.
        layers: dense layers.
    """

    def __init__(self, labels: int, width: int, layers: int) -> None:
        super().__init__()
        self.embed = Dense(labels, width, bias=None) if labels else None
        self.layers = dense_layers(2 * width if labels else width, width, layers)

    def forward(self, z_BZ: Tensor, label_BL: Tensor) -> Tensor:
        """w, (B, width)."""
        with exact(label_BL):
            seen = z_BZ if self.embed is None else torch.cat([z_BZ, self.embed(label_BL)], dim=1)
            w_BW: Tensor = self.layers(normalised(seen))
        return w_BW


class NormalisedApart(nn.Module):
    """z and the labels' vector are each normalised and then joined: how many labels were given is lost (ADA's code).

    Without z (`z` False) the labels alone become a vector: the discriminator's, for the projection.

    Args:
        labels: numbers that say the labels; 0 for none.
        width: of z and of w.
        layers: dense layers.
        z: is there a latent?
    """

    def __init__(self, labels: int, width: int, layers: int, z: bool = True) -> None:
        super().__init__()
        self.embed = Dense(labels, width) if labels else None
        self.layers = dense_layers(width * (z + bool(labels)), width, layers)

    def forward(self, z_BZ: Tensor | None, label_BL: Tensor) -> Tensor:
        """w, (B, width)."""
        with exact(label_BL):
            seen = [] if z_BZ is None else [normalised(z_BZ)]
            if self.embed is not None:
                seen.append(normalised(self.embed(label_BL)))
            w_BW: Tensor = self.layers(torch.cat(seen, dim=1))
        return w_BW


# --------------------------------------------------------------------------------------------------------------------
# The choices, as objects that a YAML can name


class Mappings(ABC):
    """A kind of mapping network.

    Args:
        layers: dense layers.

    Raises:
        UserError: there is none.
    """

    def __init__(self, layers: int = 8) -> None:
        if layers < 1:
            raise UserError(f"mapping: layers is {layers}; give 1 or more")
        self.layers = layers

    @abstractmethod
    def mapping(self, labels: int, width: int) -> nn.Module:
        """A new network, (z_BZ, label_BL) -> w (B, width)."""


class JoinedMapping(Mappings):
    """`Joined`: S5's."""

    def mapping(self, labels: int, width: int) -> nn.Module:
        return Joined(labels, width, self.layers)


class ApartMapping(Mappings):
    """`NormalisedApart`: as the ADA paper's code has it, so that its checkpoints can be imported."""

    def mapping(self, labels: int, width: int) -> nn.Module:
        return NormalisedApart(labels, width, self.layers)
