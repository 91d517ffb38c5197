"""The last words of a run are about its own scores."""

from types import SimpleNamespace

from anime_gen.callbacks import Summary
from anime_gen.callbacks.summary import table
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


def test_what_real_pictures_score_stands_beside():
    split = {"split": "validation"}
    told = table(
        [
            Record("accuracy_hair", 0.64, 64, 1.0, split),
            Record("accuracy_hair_real", 0.39, 64, 1.0, split),
            Record("tag_f1", None, 64, 1.0, split),
        ]
    )
    assert [line.split() for line in told.splitlines()] == [
        ["samples", "real"],
        ["accuracy_hair", "0.64", "0.39"],
        ["tag_f1", "not", "asked"],
    ]
