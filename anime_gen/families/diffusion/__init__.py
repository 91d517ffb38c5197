"""Conditional diffusion. Read schedule, loss, conditions, network, guidance, sampler, module, in this order."""

from anime_gen.families.diffusion.conditions import (
    LandmarkLatent,
    LandmarkMask,
    LandmarkVector,
    TowerText,
    TrainedText,
)
from anime_gen.families.diffusion.guidance import Dropping
from anime_gen.families.diffusion.loss import (
    Epsilon,
    FlowVelocity,
    MinSNR,
    Picture,
    Plain,
    Preconditioned,
    Target,
    Velocity,
)
from anime_gen.families.diffusion.module import Diffusion, DiffusionSettings
from anime_gen.families.diffusion.network import UNet
from anime_gen.families.diffusion.sampler import (
    DDIM,
    DDPM,
    DPMSolverPP,
    Euler,
    Heun,
    Sampler,
    SDEDPMSolverPP,
    UniPC,
)
from anime_gen.families.diffusion.schedule import EDM, Cosine, Flow, Linear, Schedule, ZeroTerminalSNR
from anime_gen.families.diffusion.thesis import ThesisUNet
from anime_gen.families.diffusion.transformer import DiT

__all__ = [
    "DDIM",
    "DDPM",
    "EDM",
    "Cosine",
    "DPMSolverPP",
    "DiT",
    "Diffusion",
    "DiffusionSettings",
    "Dropping",
    "Epsilon",
    "Euler",
    "Flow",
    "FlowVelocity",
    "Heun",
    "LandmarkLatent",
    "LandmarkMask",
    "LandmarkVector",
    "Linear",
    "MinSNR",
    "Picture",
    "Plain",
    "Preconditioned",
    "SDEDPMSolverPP",
    "Sampler",
    "Schedule",
    "Target",
    "ThesisUNet",
    "TowerText",
    "TrainedText",
    "UNet",
    "UniPC",
    "Velocity",
    "ZeroTerminalSNR",
]
