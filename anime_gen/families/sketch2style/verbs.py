"""Verbs for runs of this family only: name -> (`module:function`, what it is for). Imports nothing, see cli."""

VERBS = {
    "sketch": (
        "anime_gen.families.sketch2style.stages:sketch",
        "RUN PICTURE...: a portrait for each stage of a drawing",
    ),
}
