"""Verbs for runs of this family only: name -> (`module:function`, what it is for). Imports nothing, see cli."""

VERBS = {
    "mix": ("anime_gen.families.stylegan2.walks:mix", "RUN: coarse styles of some faces with fine ones of others"),
    "walk": ("anime_gen.families.stylegan2.walks:walk", "RUN: a film or a sheet from face to face"),
    "along": ("anime_gen.families.stylegan2.walks:along", "RUN: faces that get more and less of a tag"),
    "project": ("anime_gen.families.stylegan2.walks:project_pictures", "RUN PICTURE...: the styles of given pictures"),
    "import": (
        "anime_gen.families.stylegan2.export:import_published",
        "FILE.pkl: a published checkpoint as safetensors",
    ),
    "weights": (
        "anime_gen.families.stylegan2.export:weights_of",
        "RUN: write both networks as safetensors, for --model.start_from of another run",
    ),
}
