"""Verbs for runs of this family only: name -> (`module:function`, what it is for). Imports nothing, see cli."""

VERBS = {
    "export": (
        "anime_gen.families.diffusion.export:export",
        "RUN: write a folder for torch and diffusers, which needs no anime_gen",
    ),
    "classifier": (
        "anime_gen.families.diffusion.train_classifier:train_classifier",
        "RUN: train a classifier of noisy pictures, for sample --classifier_scale",
    ),
}
