"""Conditional diffusion in pixel space. Read network, schedule, loss, guidance, sampler, module, in this order."""

from anime_gen.families.diffusion.guidance import Dropping
from anime_gen.families.diffusion.loss import Epsilon, Target, Velocity
from anime_gen.families.diffusion.module import Diffusion, DiffusionSettings
from anime_gen.families.diffusion.sampler import DDIM, DDPM, DPMSolverPP, Sampler
from anime_gen.families.diffusion.schedule import Cosine, Linear, Schedule

__all__ = [
    "DDIM",
    "DDPM",
    "Cosine",
    "DPMSolverPP",
    "Diffusion",
    "DiffusionSettings",
    "Dropping",
    "Epsilon",
    "Linear",
    "Sampler",
    "Schedule",
    "Target",
    "Velocity",
]
