"""The last words of a run are about its own scores."""

from types import SimpleNamespace

import torch

from anime_gen.callbacks import Summary
from anime_gen.contract import GenerativeModule, Translator
from anime_gen.metrics.protocol import Record, write


def test_scores_of_another_split_do_not_pass_for_the_run_s(tmp_path, capsys):
    scored = {"validation": 1.5, "test": 2.5}
    records = [Record("fd_judge", value, 64, 1.0, {"split": split}) for split, value in scored.items()]
    write(tmp_path / "metrics.json", records)
    trainer = SimpleNamespace(default_root_dir=str(tmp_path), is_global_zero=True, state=SimpleNamespace(fn="validate"))
    Summary().on_validation_end(trainer, None)
    said = capsys.readouterr().out
    assert "1.5" in said
    assert "2.5" not in said


def test_last_words_suggest_what_the_kind_of_family_says(tmp_path, capsys):
    """`sample` for one that draws, the verb that it names for any other; places with spaces can be typed."""
    folder = tmp_path / "my runs" / "one"
    write(folder / "metrics.json", [Record("fd_judge", 1.5, 64, 1.0, {"split": "validation"})])
    trainer = SimpleNamespace(default_root_dir=str(folder), is_global_zero=True)
    for pictures_by in (GenerativeModule.pictures_by, Translator.pictures_by, "hum {run}"):
        module = SimpleNamespace(images_shown=64, device=torch.device("cpu"), pictures_by=pictures_by)
        Summary().on_fit_end(trainer, module)
        commands = [line.split("anime-gen ")[1].rstrip(")") for line in capsys.readouterr().out.splitlines()[-3:]]
        assert commands == [
            f"dashboard '{folder.parent}'", f"show '{folder}' --all", pictures_by.format(run=f"'{folder}'")
        ]  # fmt: skip
