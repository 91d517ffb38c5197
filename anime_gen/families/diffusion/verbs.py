"""Verbs for runs of this family only: name -> (`module:function`, what it is for). Imports nothing, see cli."""

VERBS = {
    "classifier": (
        "anime_gen.families.diffusion.train_classifier:train_classifier",
        "RUN: train a classifier of noisy pictures, for sample --classifier_scale",
    ),
}
