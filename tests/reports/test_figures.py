"""Figures hold the numbers that they are drawn from."""

import io

import numpy as np
import pytest
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record, read, write
from anime_gen.reports import figures, sweeps
from anime_gen.reports.runs import ablation, read_run
from anime_gen.reports.table import compare, lay


@pytest.fixture
def runs(folders):
    return [read_run(folder) for folder in folders]


def titles(figure):
    return [axis.get_title("left") for axis in figure.axes]


@pytest.mark.parametrize(("seconds", "across"), [(False, [1000, 2000, 3000]), (True, [5, 10, 15])])
def test_curves_go_through_the_means(runs, seconds, across):
    figure = figures.curves(compare(runs), seconds)
    assert titles(figure) == [
        "fd_judge, lower is better", "accuracy_hair, higher is better", "landmark_nme, lower is better",
    ]  # fmt: skip
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert sorted(lines) == ["dcgan", "diffusion", "dit"]
    assert lines["dcgan"].get_xdata() == pytest.approx(across)
    ours = [[r.value for r in run.records if r.name == "fd_judge"] for run in runs if run.family == "dcgan"]
    assert lines["dcgan"].get_ydata() == pytest.approx(np.mean(ours, axis=0))
    assert len(figure.axes[1].get_lines()) == 2  # dcgan was asked for no hair
    assert {handle.get_text() for handle in figure.legends[0].get_texts()} == set(lines)
    assert len({line.get_color() for line in lines.values()}) == 3
    picture = Image.open(io.BytesIO(figures.png(figure)))
    assert picture.width > 1000


def test_quality_against_control(runs):
    table = compare(runs)
    figure = figures.quality_and_control(table)
    assert [axis.get_xlabel() for axis in figure.axes] == [
        "accuracy_hair, higher is better", "landmark_nme, lower is better",
    ]  # fmt: skip
    points = {line.get_label(): line for line in figure.axes[0].get_lines()}
    cells = {column.name: column.cells["dit"] for column in table.columns}
    assert points["dit"].get_xdata() == pytest.approx([cells["accuracy_hair"].summary.mean])
    assert points["dit"].get_ydata() == pytest.approx([cells["fd_judge"].summary.mean])
    assert "dcgan" not in points
    with pytest.raises(UserError, match="--quality fid: it is not in the table, or no run was asked for anything"):
        figures.quality_and_control(table, "fid")
    colours = {line.get_label(): line.get_color() for line in figures.curves(table).axes[0].get_lines()}
    assert points["dit"].get_color() == colours["dit"], "a system looks alike in all figures"


def test_systems_that_share_a_colour_differ_in_marker_and_line():
    looks = figures.looks_of([f"system {index}" for index in range(32)]).values()
    assert len({(look["color"], look["marker"]) for look in looks}) == 32
    assert len({(look["color"], look["linestyle"]) for look in looks}) == 32
    assert figures.looks_of(["a", "b", "a", "b"]) == figures.looks_of(["a", "b"])


def test_a_distance_is_no_control(make, tmp_path):
    """A score that counts nothing that was asked of samples: however low it should be, it is another quality."""
    folder = make(tmp_path, "diffusion", 0)
    records = read(folder / "metrics.json")
    write(folder / "metrics.json", [*records, *(r._replace(name="kd") for r in records if r.name == "fd_judge")])
    table = compare([read_run(folder)])
    assert "kd" in [column.name for column in figures.drawn(table)]
    assert [column.name for column in figures.controls(table, "fd_judge")] == ["accuracy_hair", "landmark_nme"]
    assert figures.controls(compare([read_run(make(tmp_path, "dcgan", 0))]), "fd_judge") == []


def test_what_never_moves_has_no_panel(make, tmp_path):
    folders = [make(tmp_path, "diffusion", 0), make(tmp_path, "dcgan", 0)]
    for folder in folders:
        still = [r._replace(name="copies", value=0.0) for r in read(folder / "metrics.json") if r.name == "fd_judge"]
        write(folder / "metrics.json", [*read(folder / "metrics.json"), *still])
    figure = figures.curves(compare([read_run(folder) for folder in folders]))
    assert [title.split(",")[0] for title in titles(figure)] == ["fd_judge", "accuracy_hair", "landmark_nme"]
    assert "never moves: copies 0" in said(figure)


def test_one_scoring_is_drawn_though_it_cannot_move(make, tmp_path):
    figure = figures.curves(compare([read_run(make(tmp_path, "dcgan", 0, images=(1000,)))]))
    assert titles(figure) == ["fd_judge, lower is better"]


def said(figure):
    """What is written above the panels."""
    return " ".join(text.get_text().replace("\n", " ") for text in figure.texts)


def inside(figure):
    """Whether all that is written above the panels lies on the figure, and above them."""
    figure.draw_without_rendering()
    page = figure.bbox
    tops = [axis.get_tightbbox().y1 for axis in figure.axes]
    boxes = [part.get_window_extent() for part in (*figure.texts, *figure.legends)]
    return all(box.x1 <= page.x1 and box.y1 <= page.y1 and box.y0 >= max(tops) for box in boxes)


def test_nothing_is_clipped_however_much_there_is_to_say(make, tmp_path, swept):
    names = [f"a score of many letters {number}" for number in range(25)]
    more = [record._replace(name=name, value=0.5) for record in swept if record.name == "faces" for name in names]
    assert inside(figures.sweep([*swept, *more], "guidance"))
    assert inside(figures.sweep_control([*swept, *more], "guidance", "fd_judge"))
    assert names[-1] in said(figures.sweep([*swept, *more], "guidance"))
    runs = [read_run(make(tmp_path, "dcgan", 0, f"{kind} {place}", kind=kind, place=place, also=place))
            for place, kind in enumerate(("a network", "another") * 8)]  # fmt: skip
    figure = figures.curves(compare(runs))
    assert len(figure.legends[0].get_texts()) == 16
    assert inside(figure)
    lines = figure.axes[0].get_lines()
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 16


def test_an_ablation_shows_every_seed(make, tmp_path):
    runs = [read_run(make(tmp_path, "dcgan", seed, f"{lr}-{seed}", lr=lr)) for lr in (0.2, 0.1) for seed in (0, 1, 2)]
    table = lay(ablation(runs, "model.init_args.lr"))
    figure = figures.ablation(table, "model.init_args.lr", "fd_judge")
    seeds = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 3]
    assert sorted(line.get_xdata()[0] for line in seeds) == [0.1, 0.2]
    cells = next(column for column in table.columns if column.name == "fd_judge").cells
    (means,) = (line for line in figure.axes[0].get_lines() if line.get_marker() == "D")
    assert list(means.get_ydata()) == pytest.approx([cells["0.1"].summary.mean, cells["0.2"].summary.mean])
    with pytest.raises(UserError, match="fid: not in the table"):
        figures.ablation(table, "model.init_args.lr", "fid")


@pytest.fixture
def swept():
    """In the order they were asked for, which is not that of the values."""
    values = {2: (20.0, 0.8), 8: (26.0, 0.9), 0: (30.0, 0.2)}
    return [
        Record(
            name,
            value,
            100,
            1.0,
            {
                "system": {"varied": {"guidance": at}},
                "better": better,
                "observed": {"answers": 9} if name in ("accuracy_hair", "tag_f1") else {},
            },
        )
        for at, scored in values.items()
        for (name, better), value in zip(
            (("fd_judge", "lower"), ("accuracy_hair", "higher"), ("faces", "higher"), ("tag_f1", "higher")),
            (*scored, 1.0, None),
            strict=True,
        )
    ]


def test_a_sweep_goes_by_value(swept):
    table = sweeps.table(swept, "guidance")
    assert list(table.columns) == ["fd_judge", "accuracy_hair", "faces"]  # nobody asked for tags
    figure = figures.sweep(swept, "guidance")
    assert titles(figure) == ["fd_judge, lower is better", "accuracy_hair, higher is better"]  # faces never changes
    (line,) = figure.axes[0].get_lines()
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0, 2, 8], [30, 20, 26])
    control = figures.sweep_control(swept, "guidance", "fd_judge")
    (line,) = control.axes[0].get_lines()
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0.2, 0.8, 0.9], [30, 20, 26])
    assert [text.get_text() for text in control.axes[0].texts] == ["0", "2", "8"]
    assert len(control.axes) == 1
    with pytest.raises(UserError, match="--quality fid: it was not scored"):
        figures.sweep_control(swept, "guidance", "fid")
    assert figures.sweep_control([r for r in swept if r.name != "accuracy_hair"], "guidance", "fd_judge") is None


def test_a_sweep_over_names(swept):
    names = {0: "DDIM", 2: "Heun", 8: "Euler"}
    records = [
        record._replace(
            protocol={"system": {"varied": {"sampler": names[record.protocol["system"]["varied"]["guidance"]]}}}
        )
        for record in swept
    ]
    figure = figures.sweep(records, "sampler")
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["Heun", "Euler", "DDIM"]
