"""What landmarks add to a translation (Wu et al. 2019, sections 3.2 and 3.3): options, and the networks behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from anime_gen.contract import Batch, UserError
from anime_gen.families.cyclegan.landmarks import NUM_POINTS, PARTS, Finder, parts, train, with_maps
from anime_gen.families.cyclegan.loss import landmark_loss
from anime_gen.families.cyclegan.network import Discriminators, part_judge


class Data(Protocol):
    """What is asked of the suite's DataModule, which families do not import."""

    def stream(self, parts: frozenset[str], images: int, batch_size: int) -> Iterable[Batch]: ...

    def other_stream(self, parts: frozenset[str], images: int, batch_size: int) -> Iterable[Batch]: ...


class Landmarks:
    """Landmark-assisted training, coarse and then fine.

    The generator of anime faces sees heat maps of the photo's five points; what it makes must have its own where the
    photo has them, must look real beside them, and from `fine_from` on each eye, the nose and the mouth must look real
    by themselves. Two networks that find the points, one a domain, are trained before (`finder_images` pictures each)
    and are frozen; both domains' training pictures must have landmarks.

    Args:
        consistency: weight of `landmark_loss`. (Theirs was not recovered.)
        conditional: weight of the discriminator that also sees the heat maps.
        local: weight of those that look at the parts.
        fine_from: share of the run before the parts are looked at, in [0, 1]; 1: never.
        finder_images: pictures from which each finder learns.

    Raises:
        UserError: a weight is negative, or a share is none.
    """

    def __init__(
        self,
        consistency: float = 10.0,
        conditional: float = 1.0,
        local: float = 0.5,
        fine_from: float = 0.5,
        finder_images: int = 25600,
    ) -> None:
        if min(consistency, conditional, local) < 0:
            raise UserError(
                f"landmarks: consistency is {consistency}, conditional {conditional} and local {local}; give weights "
                "of 0 or more"
            )
        if not 0 <= fine_from <= 1:
            raise UserError(f"landmarks: fine_from is {fine_from}; give a share of the run, from 0 to 1")
        if finder_images < 64:
            raise UserError(f"landmarks: finder_images is {finder_images}; give at least 64")
        self.consistency = consistency
        self.conditional = conditional
        self.local = local
        self.fine_from = fine_from
        self.finder_images = finder_images


class Shown(NamedTuple):
    """What a discriminator is shown: `real` pictures and `made` ones, and the `weight` of its word to the generator."""

    real: Tensor
    made: Tensor
    weight: float = 1.0


class Assistant(nn.Module):
    """Two frozen networks that find landmarks, and what follows from what they find.

    Args:
        options: weights and stages.
    """

    are_trained: Tensor

    def __init__(self, options: Landmarks) -> None:
        super().__init__()
        self.options = options
        self.finds_in_photo, self.finds_in_anime = Finder(), Finder()
        self.requires_grad_(False).eval()
        self.register_buffer("are_trained", torch.zeros((), dtype=torch.bool))

    def discriminators(self, image_size: int, discriminators: Discriminators) -> dict[str, nn.Module]:
        """The discriminators that come beside those of the two domains."""
        told = discriminators.discriminator(image_size, 3 + NUM_POINTS)
        return {"anime_with_landmarks": told} | {f"anime_part_{number}": part_judge() for number in range(len(PARTS))}

    def learn(self, data: Data, device: torch.device, agreed: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
        """Trains both finders.

        Args:
            data: pictures of both domains, with landmarks.
            device: where to.
            agreed: gives all ranks the weights of the first.

        Raises:
            UserError: none of a domain's training pictures has landmarks.
        """
        batch_size, told = 64, frozenset({"landmarks_BK2"})
        images = self.options.finder_images // batch_size * batch_size
        for finder, stream, title in (
            (self.finds_in_anime, data.stream, "landmarks of anime faces"),
            (self.finds_in_photo, data.other_stream, "landmarks of photos"),
        ):
            finder.requires_grad_(True)
            error = train(finder, stream(told, images, batch_size), images // batch_size, device, title)
            finder.load_state_dict(agreed({name: tensor.cpu() for name, tensor in finder.state_dict().items()}))
            rank_zero_info(f"{title}: found with a mean error of {error:.3f} picture sides")
        self.are_trained.fill_(True)

    @torch.no_grad()
    def points(self, photo_BCHW: Tensor, anime_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Where the five points of photos and of anime faces are, (B, 5, 2) each."""
        return self.finds_in_photo.points(photo_BCHW), self.finds_in_anime.points(anime_BCHW)

    def consistency(self, made_BCHW: Tensor, points_BK2: Tensor) -> Tensor:
        """What made faces lose whose landmarks are not where their photos' are."""
        return self.options.consistency * landmark_loss(self.finds_in_anime.points(made_BCHW), points_BK2)

    def shown(
        self, anime_BCHW: Tensor, anime_BK2: Tensor, made_BCHW: Tensor, photo_BK2: Tensor, share: float
    ) -> dict[str, Shown]:
        """What its discriminators are shown after a share of the run, by their names."""
        real_with_maps, made_with_maps = with_maps(anime_BCHW, anime_BK2), with_maps(made_BCHW, photo_BK2)
        shown = {"anime_with_landmarks": Shown(real_with_maps, made_with_maps, self.options.conditional)}
        if share >= self.options.fine_from:
            cut_out = zip(parts(anime_BCHW, anime_BK2), parts(made_BCHW, photo_BK2), strict=True)
            for number, (real, made) in enumerate(cut_out):
                shown[f"anime_part_{number}"] = Shown(real, made, self.options.local)
        return shown
