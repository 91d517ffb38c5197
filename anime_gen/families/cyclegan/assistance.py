"""What landmarks add to a translation, as options that a YAML can name (Wu et al. 2019, sections 3.2 and 3.3)."""

from __future__ import annotations

from anime_gen.contract import UserError


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
