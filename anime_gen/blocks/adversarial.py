"""What adversarial families play for: losses as pure functions of logits, and gradient penalties.

A discriminator's logits may have any shape: one number a picture, or one a patch; every loss is a mean over all of
them. Larger means "more real". Nothing here updates, logs or moves to a device.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Discriminator = Callable[[Tensor], Tensor]


# --------------------------------------------------------------------------------------------------------------------
# Losses


def non_saturating_generator(fake_logits: Tensor) -> Tensor:
    """-E log D(G(z)) with D = sigmoid(logit). Goodfellow et al. 2014, section 3 ("maximise log D(G(z))")."""
    return F.softplus(-fake_logits).mean()


def non_saturating_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))). Goodfellow et al. 2014, equation 1. At logits of zero: 2 log 2."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def hinge_generator(fake_logits: Tensor) -> Tensor:
    """-E D(G(z)). Miyato et al. 2018, equation 17."""
    return -fake_logits.mean()


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))). Miyato et al. 2018, equation 16, with the sign of a loss."""
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def least_squares_generator(fake_logits: Tensor) -> Tensor:
    """E (D(G(z)) - 1)^2 / 2. Mao et al. 2017, equation 9: targets a = 0, b = c = 1."""
    return (fake_logits - 1).square().mean() / 2


def least_squares_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2. Mao et al. 2017, equation 9."""
    return (real_logits - 1).square().mean() / 2 + fake_logits.square().mean() / 2


def wasserstein_generator(fake_logits: Tensor) -> Tensor:
    """-E D(G(z)). Arjovsky et al. 2017, algorithm 1, line 10."""
    return -fake_logits.mean()


def wasserstein_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E D(G(z)) - E D(x), the negative of the estimated distance. Arjovsky et al. 2017, equation 2."""
    return fake_logits.mean() - real_logits.mean()


# --------------------------------------------------------------------------------------------------------------------
# Penalties
#
# All are second-order, so all run in float32 whatever the precision around them: the squares of small gradients
# vanish in bfloat16. (float64 stays float64.)


def gradient_penalty(discriminator: Discriminator, real_BCHW: Tensor, fake_BCHW: Tensor) -> Tensor:
    """E (||grad D(x_hat)|| - 1)^2 at x_hat = e x + (1 - e) G(z), one e ~ U(0, 1) a picture.

    Gulrajani et al. 2017, equation 3. The norm runs over the whole flattened picture, not over its channels. It is a
    property of each picture by itself, so D must not look across the batch.

    Args:
        discriminator: (B, C, H, W) to logits.
        real_BCHW: pictures; taken as constants.
        fake_BCHW: as many; taken as constants.

    Returns:
        A scalar that can be differentiated with respect to the discriminator's parameters.
    """
    real_BCHW, fake_BCHW = _at_least_float32(real_BCHW), _at_least_float32(fake_BCHW)
    share_B111 = torch.rand_like(real_BCHW[:, :1, :1, :1])
    between_BCHW = share_B111 * real_BCHW + (1 - share_B111) * fake_BCHW
    slope_BN = _input_gradient(discriminator, between_BCHW).flatten(1)
    norm_B: Tensor = torch.linalg.vector_norm(slope_BN, dim=1)
    return (norm_B - 1).square().mean()


def r1_penalty(discriminator: Discriminator, real_BCHW: Tensor) -> Tensor:
    """E ||grad D(x)||^2 on real pictures. Mescheder et al. 2018, equation 9, without its factor gamma / 2.

    Args:
        discriminator: (B, C, H, W) to logits.
        real_BCHW: pictures; taken as constants.

    Returns:
        A scalar that can be differentiated with respect to the discriminator's parameters.
    """
    return _input_gradient(discriminator, _at_least_float32(real_BCHW)).flatten(1).square().sum(dim=1).mean()


def dragan_penalty(discriminator: Discriminator, real_BCHW: Tensor) -> Tensor:
    """E (||grad D(x + d)|| - 1)^2 around real pictures: no steep walls beside them. Kodali et al. 2017, equation 5.

    The perturbation is that of the authors' code: d = u * 0.5 * std(x) * n with the deviation of the whole batch,
    n ~ U(0, 1) for every number and u ~ U(0, 1) for every picture. The norm runs over the whole flattened picture. D
    is the logit; the norm is a property of each picture by itself, so D must not look across the batch.

    Args:
        discriminator: (B, C, H, W) to logits.
        real_BCHW: pictures; taken as constants.

    Returns:
        A scalar that can be differentiated with respect to the discriminator's parameters.
    """
    real_BCHW = _at_least_float32(real_BCHW)
    share_B111 = torch.rand_like(real_BCHW[:, :1, :1, :1])
    near_BCHW = real_BCHW + share_B111 * 0.5 * real_BCHW.std() * torch.rand_like(real_BCHW)
    slope_BN = _input_gradient(discriminator, near_BCHW).flatten(1)
    norm_B: Tensor = torch.linalg.vector_norm(slope_BN, dim=1)
    return (norm_B - 1).square().mean()


def _at_least_float32(image_BCHW: Tensor) -> Tensor:
    return image_BCHW.detach().to(torch.promote_types(image_BCHW.dtype, torch.float32))


def _input_gradient(discriminator: Discriminator, image_BCHW: Tensor) -> Tensor:
    """Gradient of every picture's summed logits with respect to that picture, (B, C, H, W), with its own graph."""
    with torch.enable_grad(), torch.autocast(image_BCHW.device.type, enabled=False):
        image_BCHW = image_BCHW.requires_grad_()
        (gradient_BCHW,) = torch.autograd.grad(discriminator(image_BCHW).sum(), image_BCHW, create_graph=True)
    return gradient_BCHW


# --------------------------------------------------------------------------------------------------------------------
# The same, as objects that a YAML can name


class AdversarialLoss(ABC):
    """One game: what each side minimises, and a penalty on the discriminator where the game has one."""

    # Does the penalty ask for a gradient per picture? A discriminator that mixes its batch has none.
    per_picture: bool = False

    # Above this logit a discriminator takes a picture for a real one.
    boundary: float = 0.0

    @abstractmethod
    def generator(self, fake_logits: Tensor) -> Tensor:
        """What the generator minimises, a scalar."""

    @abstractmethod
    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """What the discriminator minimises, a scalar without the penalty."""

    def penalty(self, discriminator: Discriminator, real_BCHW: Tensor, fake_BCHW: Tensor) -> Tensor:
        """What is added to the discriminator's loss, weight included: a scalar, zero where the game has none."""
        return real_BCHW.new_zeros(())


class NonSaturating(AdversarialLoss):
    """The first GAN's loss, as it is used: `non_saturating_generator` and `non_saturating_discriminator`."""

    def generator(self, fake_logits: Tensor) -> Tensor:
        return non_saturating_generator(fake_logits)

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return non_saturating_discriminator(real_logits, fake_logits)


class Hinge(AdversarialLoss):
    """`hinge_generator` and `hinge_discriminator`: goes with spectral normalisation."""

    def generator(self, fake_logits: Tensor) -> Tensor:
        return hinge_generator(fake_logits)

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return hinge_discriminator(real_logits, fake_logits)


class LeastSquares(AdversarialLoss):
    """LSGAN: `least_squares_generator` and `least_squares_discriminator`."""

    boundary = 0.5

    def generator(self, fake_logits: Tensor) -> Tensor:
        return least_squares_generator(fake_logits)

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return least_squares_discriminator(real_logits, fake_logits)


class WassersteinGP(AdversarialLoss):
    """WGAN-GP: the Wasserstein game and `weight` times `gradient_penalty` (lambda in the paper, 10 there)."""

    per_picture = True

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def generator(self, fake_logits: Tensor) -> Tensor:
        return wasserstein_generator(fake_logits)

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return wasserstein_discriminator(real_logits, fake_logits)

    def penalty(self, discriminator: Discriminator, real_BCHW: Tensor, fake_BCHW: Tensor) -> Tensor:
        return self.weight * gradient_penalty(discriminator, real_BCHW, fake_BCHW)


class DRAGAN(NonSaturating):
    """The first GAN's loss and `weight` times `dragan_penalty` (lambda in the paper, 10 there)."""

    per_picture = True

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def penalty(self, discriminator: Discriminator, real_BCHW: Tensor, fake_BCHW: Tensor) -> Tensor:
        return self.weight * dragan_penalty(discriminator, real_BCHW)


class R1(NonSaturating):
    """The first GAN's loss and gamma / 2 times `r1_penalty` (Mescheder et al. 2018, equation 9; gamma 10 there)."""

    per_picture = True

    def __init__(self, gamma: float = 10.0) -> None:
        self.gamma = gamma

    def penalty(self, discriminator: Discriminator, real_BCHW: Tensor, fake_BCHW: Tensor) -> Tensor:
        return self.gamma / 2 * r1_penalty(discriminator, real_BCHW)
