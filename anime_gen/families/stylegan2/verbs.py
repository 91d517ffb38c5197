"""Verbs for runs of this family only: name -> (`module:function`, what it is for). Imports nothing, see cli."""

VERBS = {
    "weights": (
        "anime_gen.families.stylegan2.export:write_weights",
        "RUN: write both networks as safetensors, for --model.start_from of another run",
    ),
}
