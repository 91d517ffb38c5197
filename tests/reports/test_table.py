"""Run folders in, one honest table out."""

import csv
import io
import json

import pytest
import yaml

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import read, write
from anime_gen.reports import render
from anime_gen.reports.matching import At
from anime_gen.reports.runs import ablation, differing, find, read_run, read_runs, scores, settings, systems
from anime_gen.reports.table import compare, lay


@pytest.fixture
def runs(folders):
    return [read_run(folder) for folder in folders]


def column(table, name):
    return next(column for column in table.columns if column.name == name)


def edit(folder, change):
    """Rewrites the records of a run; `change` gives a record, or None to drop it."""
    records = [change(record) for record in read(folder / "metrics.json")]
    write(folder / "metrics.json", [record for record in records if record])


def test_rows_hold_what_was_written(folders, runs):
    frame = scores(runs)
    assert len(frame) == sum(len(read(folder / "metrics.json")) for folder in folders)
    row = frame[(frame.family == "dcgan") & (frame.seed == 1) & (frame.score == "fd_judge")].iloc[-1]
    record = [record for record in runs[4].records if record.name == "fd_judge"][-1]
    assert (row.value, row.images, row.seconds, row.run) == (record.value, 3000, 15.0, "seed1")
    assert row.protocol["num_fake"] == 512
    assert frame[(frame.family == "dcgan") & (frame.score == "accuracy_hair")].value.isna().all()


def test_settings_that_differ(make, tmp_path):
    runs = [read_run(make(tmp_path, "dcgan", seed, f"r{seed}", lr=lr)) for seed, lr in ((0, 1e-3), (1, 1e-4))]
    frame = settings(runs)
    assert list(frame.columns) == ["seed_everything", "model.init_args.lr"]  # and not where they lie
    assert frame.loc[("dcgan", "r1"), "model.init_args.lr"] == 1e-4


def test_what_is_no_run(make, tmp_path):
    with pytest.raises(UserError, match=r"is no run \(it has no config.yaml\)"):
        read_run(tmp_path)
    folder = make(tmp_path, "dcgan", 0)
    (folder / "metrics.json").unlink()
    with pytest.raises(UserError, match="has no scores yet"):
        read_run(folder)
    (folder / "config.yaml").write_text("model: 3")
    with pytest.raises(UserError, match="not the settings of a run"):
        read_run(folder)
    with pytest.raises(UserError, match="no runs with scores"):
        compare([])


def test_find_leaves_out_what_means_nothing(make, tmp_path):
    kept = make(tmp_path / "runs", "dcgan", 0)
    make(tmp_path / "runs", "diffusion", 0).joinpath("config.yaml").unlink()  # what `validate` leaves
    smoke = make(tmp_path, "dcgan", 1, "x")
    smoke.parent.rename(tmp_path / "runs" / "smoke")
    of_a_study = make(tmp_path / "runs" / "compare", "dit", 0)
    assert find(tmp_path / "runs") == [of_a_study, kept]


def test_seeds_are_one_system_and_settings_are_not(make, tmp_path):
    runs = [read_run(make(tmp_path, "dcgan", seed, f"{lr}-{seed}", lr=lr)) for lr in (0.1, 0.2) for seed in (0, 1)]
    found = systems([*runs, read_run(make(tmp_path, "dit", 0))])
    assert {name: [run.seed for run in group] for name, group in found.items()} == {
        "dcgan lr=0.1": [0, 1], "dcgan lr=0.2": [0, 1], "dit": [0],
    }  # fmt: skip


def test_the_same_seed_twice_counts_once(make, tmp_path):
    table = compare([read_run(make(tmp_path, "dcgan", 0, name)) for name in "ab"])
    assert column(table, "fd_judge").cells["dcgan"].summary.n == 1
    assert "same seed" in table.notes[0]


def test_the_table(runs):
    table = compare(runs)
    fd = column(table, "fd_judge")
    means = {name: cell.summary.mean for name, cell in fd.cells.items()}
    last = [record.value for record in runs[0].records if record.name == "fd_judge"][-1]
    assert fd.cells["diffusion"].values[0] == last
    assert [name for name, cell in fd.cells.items() if cell.best] == [min(means, key=means.get)] == ["diffusion"]
    assert fd.verdict.best == "diffusion"
    hair = column(table, "accuracy_hair")
    assert hair.cells["dcgan"].summary is None
    assert hair.cells["diffusion"].best
    assert not any(cell.best for cell in column(table, "parameters").cells.values())  # neither way is better
    assert column(table, "images_per_second").verdict.best == "dcgan"


@pytest.mark.parametrize(("at", "images"), [(At.images, 2000), (At.seconds, 1000), (At.final, 4000)])
def test_lining_up(make, tmp_path, at, images):
    """Of the slow run, the scoring at 1000 images (10 s) is the last before the fast one ended, at 2000 (16 s)."""
    slow = read_run(make(tmp_path, "diffusion", 0, images=(1000, 2000, 4000), speed=100))
    fast = read_run(make(tmp_path, "dcgan", 0, images=(1000, 2000), speed=125))
    table = compare([slow, fast], at)
    expected = next(r.value for r in slow.records if r.name == "fd_judge" and r.nimg == images)
    assert column(table, "fd_judge").cells["diffusion"].values == {0: expected}
    assert table.reached["dcgan"] == (2000, 16.0)


def test_costs_are_of_the_whole_run(make, tmp_path):
    long = read_run(make(tmp_path, "diffusion", 0))
    short = read_run(make(tmp_path, "dcgan", 0, images=(1000,)))
    assert column(compare([long, short]), "parameters").cells["diffusion"].values == {0: 3.7e6}


@pytest.mark.parametrize(("at", "short"), [(At.images, (500,)), (At.seconds, (500,)), (At.images, (9000, 9500))])
def test_one_short_run_does_not_spoil_the_rest(make, tmp_path, at, short):
    """It is left out in one line, wherever it comes; the others are compared as without it."""
    rest = [read_run(make(tmp_path, "dcgan", seed, images=(1000, 2000))) for seed in (0, 1)]
    debug = read_run(make(tmp_path, "dcgan", 2, "debug", images=short))
    for runs in ([debug, *rest], [*rest, debug]):
        table = compare(runs, at)
        assert table._replace(notes=[]) == compare(rest, at)
        (note,) = table.notes
        assert note.startswith("Left out at ")
        assert "dcgan/debug" in note
        assert sum(map(len, compare(runs, At.final).runs.values())) == 3


def test_where_no_moment_is_common_to_most_the_last_scoring_counts(make, tmp_path):
    early = read_run(make(tmp_path, "diffusion", 0, images=(500,)))
    late = read_run(make(tmp_path, "dcgan", 0, images=(1000, 2000)))
    table = compare([early, late])
    assert table.systems == ["dcgan", "diffusion"]
    assert table.at == "each run's last scoring"
    assert table.reached == {"dcgan": (2000, 20.0), "diffusion": (500, 5.0)}
    assert table.notes == [
        "At each run's last scoring, not at equal images: there is no moment at which most runs were scored"
    ]


def test_a_run_on_other_data_does_not_spoil_the_rest(folders):
    """Not one of its scores was measured as the others': it is left out, and the line says what differs."""

    def other(record):
        data = {"image_size": 32, "other_domain": {"class": "Photos", "people": 9, "key": "1234"}}
        return record._replace(protocol={**record.protocol, "num_fake": 64, "num_real": 64, "split": "x", "data": data})

    edit(folders[4], other)
    runs = [read_run(folder) for folder in folders]
    table = compare(runs)
    assert not table.refused
    assert [run.seed for run in table.runs["dcgan"]] == [0, 2]
    assert table.notes == [
        "Left out, because measured differently (data.other_domain is absent or Photos; num_fake is 512 or 64; "
        "num_real is 512 or 64; and 1 more key): dcgan/seed1"
    ]
    assert compare([runs[0], runs[4]]).systems == ["diffusion"]


def test_folders_without_scores_do_not_spoil_the_rest(make, tmp_path):
    runs = [make(tmp_path, "dcgan", seed) for seed in (0, 1, 2)]
    (runs[1] / "metrics.json").write_text("[]")
    (runs[2] / "metrics.json").write_text("{")
    (tmp_path / "dcgan" / "no-run").mkdir()
    found, left_out = read_runs([*runs, tmp_path / "dcgan" / "no-run"])
    assert [run.seed for run in found] == [0]
    assert ["seed2" in left_out[0], "no-run" in left_out[1], "not scored yet" in left_out[2], len(left_out)] == [
        True, True, True, 3,
    ]  # fmt: skip
    with pytest.raises(UserError, match="there is no folder"):
        read_runs([tmp_path / "nowhere"])


def test_equal_parameters(runs, folders):
    with pytest.raises(UserError, match=r"differ by more than 10%.*dit 5,000,000"):
        compare(runs, At.parameters)
    table = compare(runs[:6], At.parameters)
    assert table.at == "3,600,000 to 3,700,000 parameters, 3,000 images"
    edit(folders[0], lambda record: None if record.name == "parameters" else record)
    with pytest.raises(UserError, match="diffusion: its parameters were not counted"):
        compare([read_run(folders[0])], At.parameters)


def test_other_protocols_are_not_laid_side_by_side(folders):
    def change(record):
        return record._replace(protocol={**record.protocol, "num_fake": 64}) if record.name == "fd_judge" else record

    edit(folders[4], change)
    table = compare([read_run(folder) for folder in folders])
    assert [refused.name for refused in table.refused] == ["fd_judge"]
    assert table.refused[0].differs == {"num_fake": [512, 64]}
    assert "fd_judge: num_fake is 512 or 64" in render.text(table)
    assert "accuracy_hair" in {column.name for column in table.columns}
    asked = compare([read_run(folder) for folder in folders], only=["fd_judge"])
    assert len(asked.runs["dcgan"]) == 2, "of the scores that are asked for, it has none that was measured alike"


def test_notes_are_few(folders):
    """Scores that were measured differently for one reason share a line, and so do verdicts that say the same."""

    def change(record):
        many = {**record.protocol, "num_training": 64}
        return (
            record._replace(protocol=many) if record.name in ("fd_judge", "accuracy_hair", "landmark_nme") else record
        )

    edit(folders[0], change)
    table = compare([read_run(folder) for folder in folders])
    text = render.text(table)
    assert text.count("measured differently") == 1
    assert "fd_judge, accuracy_hair, landmark_nme: num_training is absent or 64" in text
    one = compare([read_run(folder) for folder in (folders[3], folders[6])])
    assert [line for line in render.verdicts(one) if "1 seed of" in line] == [
        "fd_judge, images_per_second: undecided: 1 seed of at least 3"
    ]


def test_scores_that_nobody_was_asked_for_are_one_line(make, tmp_path):
    text = render.text(compare([read_run(make(tmp_path, "dcgan", seed)) for seed in (0, 1)]))
    assert "Asked of nobody: accuracy_hair, landmark_nme." in text
    assert not [line for line in text.splitlines() if line.startswith("accuracy_hair")]


def test_how_it_was_sampled_is_no_other_measure(folders):
    """Steps, guidance and precision belong to the system that is measured; what came out, to the outcome."""
    beside = {"system": {"sampling": "50 steps"}, "observed": {"num_asked": 3}}
    edit(folders[0], lambda record: record._replace(protocol={**record.protocol, **beside}))
    assert not compare([read_run(folder) for folder in folders]).refused


def test_only_some_scores(runs):
    assert [column.name for column in compare(runs, only=["landmark_nme", "fd_judge"]).columns] == [
        "landmark_nme",
        "fd_judge",
    ]
    with pytest.raises(UserError, match="--scores fid: no run has it; there are fd_judge"):
        compare(runs, only=["fid"])


def test_asked_but_undefined_is_not_unasked(make, tmp_path):
    folder = make(tmp_path, "diffusion", 0)

    def change(record):
        return record._replace(value=None) if record.name == "landmark_nme" else record

    edit(folder, change)
    text = render.text(compare([read_run(folder), read_run(make(tmp_path, "dcgan", 0))]))
    assert next(line for line in text.splitlines() if line.startswith("landmark_nme")).split()[2:] == [
        "not", "asked", "undefined",
    ]  # fmt: skip


def test_content_and_rendering_have_one_verdict(folders):
    """diffusion is nearest in what is shown; where another is nearer in how it is rendered, neither is better."""

    def rendered(level):
        for folder in folders:
            records = [record for record in read(folder / "metrics.json") if record.name != "fd_render"]
            seed = int(folder.name.removeprefix("seed"))
            own = [r._replace(name="fd_render", value=level[folder.parent.name] + seed / 100)
                   for r in records if r.name == "fd_judge"]  # fmt: skip
            write(folder / "metrics.json", [*records, *own])
        return {column.name: column.verdict for column in compare([read_run(folder) for folder in folders]).columns}

    found = rendered({"diffusion": 3.0, "dit": 9.0, "dcgan": 9.0})
    assert found["fd_judge"] == found["fd_render"] == ("diffusion", "diffusion is best, in both taken together")
    assert list(found)[:2] == ["fd_judge", "fd_render"]
    assert found["accuracy_hair"].best == "diffusion"
    found = rendered({"diffusion": 9.0, "dit": 9.5, "dcgan": 3.0})
    assert found["fd_judge"] == found["fd_render"]
    assert found["fd_judge"].best is None
    assert "diffusion ahead in what is shown, dcgan in how it is rendered" in found["fd_judge"].reason


def test_where_all_are_alike_nobody_is_best(folders):
    for folder in folders:
        edit(folder, lambda record: record._replace(value=0.0) if record.name == "fd_judge" else record)
    fd = column(compare([read_run(folder) for folder in folders]), "fd_judge")
    assert not any(cell.best for cell in fd.cells.values())
    assert [cell.probability_best for cell in fd.cells.values()] == pytest.approx([1 / 3] * 3)
    assert fd.verdict.best is None


def test_a_runs_name_is_obeyed_by_no_reader(runs):
    name = '=1+1 <img src=x onerror="a"> [b](c) $\\frac$ \x1b[2J'
    table = compare(runs)
    table = table._replace(
        runs={name: [], **table.runs},
        reached={**table.reached, name: (1, 1.0)},
        columns=[c._replace(cells={**c.cells, name: None}) for c in table.columns],
        notes=[f"{name}: left out"],
    )
    assert "\x1b" not in render.text(table)
    assert "<img" not in render.page(table)
    assert r"\<img src=x" in render.markdown(table)
    assert "[b]" not in render.markdown(table).replace(r"\[", "").replace(r"\]", "")
    rows = list(csv.DictReader(io.StringIO(render.comma_separated(table))))
    assert f"'{name}" in {row["system"] for row in rows}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]


def test_every_form_says_the_same(runs):
    table = compare(runs)
    value = render.number(column(table, "fd_judge").cells["diffusion"].summary.mean)
    text, markdown, page = render.text(table), render.markdown(table), render.page(table, [("a < b", b"\x89PNG")])
    for form in (text, markdown, page):
        assert value in form
        assert "fd_judge ↓" in form
        assert "not asked" in form
        assert "fd_judge, accuracy_hair, landmark_nme: diffusion is best" in form
    assert markdown.startswith("| score")
    assert "a &lt; b" in page
    assert "data:image/png;base64,iVBORw==" in page
    assert "http" not in page
    rows = list(csv.DictReader(io.StringIO(render.comma_separated(table))))
    row = next(row for row in rows if (row["score"], row["system"]) == ("fd_judge", "diffusion"))
    whole = json.loads(render.as_json(table))
    again = next(row for row in whole["rows"] if (row["score"], row["system"]) == ("fd_judge", "diffusion"))
    assert float(row["mean"]) == again["mean"] == column(table, "fd_judge").cells["diffusion"].summary.mean
    assert (row["best"], row["n"], row["state"]) == ("True", "3", "scored")
    assert whole["values"]["fd_judge"]["diffusion"]["1"] == column(table, "fd_judge").cells["diffusion"].values[1]
    assert whole["protocols"]["fd_judge"]["num_fake"] == 512


@pytest.mark.parametrize(
    ("value", "said"), [(0.04222, "0.04222"), (23.7812, "23.78"), (3_600_000.0, "3,600,000"), (12345.6, "12,346")]
)
def test_numbers(value, said):
    assert render.number(value) == said


def test_an_ablation_holds_all_else_equal(make, tmp_path):
    runs = [
        read_run(make(tmp_path, "dcgan", seed, f"{lr}-{width}-{seed}", lr=lr, width=width))
        for lr, width in ((0.1, 8), (0.2, 8), (0.3, 16))
        for seed in (0, 1)
    ]
    assert differing(runs) == ["seed_everything", "model.init_args.lr", "model.init_args.width"]
    groups = ablation(runs, "model.init_args.lr")
    assert {value: len(group) for value, group in groups.items()} == {"0.1": 2, "0.2": 2}  # 0.3 has another width
    assert ablation(runs, "model.init_args.width") == {}
    assert lay(groups).systems == ["0.1", "0.2"]


def test_an_ablation_of_a_class_takes_its_arguments_with_it(make, tmp_path):
    parts = ({"class_path": "a.Heun", "init_args": {"churn": 1}}, {"class_path": "a.DDIM", "init_args": {"eta": 0}})
    runs = [read_run(make(tmp_path, "dcgan", 0, f"r{place}", sampler=part)) for place, part in enumerate(parts)]
    assert set(ablation(runs, "model.init_args.sampler.class_path")) == {"a.Heun", "a.DDIM"}


def test_a_run_keeps_its_lists(make, tmp_path):
    folder = make(tmp_path, "dcgan", 0, betas=[0.5, 0.9])
    assert read_run(folder).settings["model.init_args.betas.1"] == 0.9
    assert yaml.safe_load((folder / "config.yaml").read_text())["model"]["init_args"]["betas"] == [0.5, 0.9]
