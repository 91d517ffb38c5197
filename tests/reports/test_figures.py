"""Figures hold the numbers that they are drawn from."""

import io

import numpy as np
import pytest
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record
from anime_gen.reports import figures, sweeps
from anime_gen.reports.runs import ablation, read_run, systems
from anime_gen.reports.table import compare, lay


@pytest.fixture
def runs(folders):
    return [read_run(folder) for folder in folders]


def titles(figure):
    return [axis.get_title("left") for axis in figure.axes]


@pytest.mark.parametrize(("seconds", "across"), [(False, [1000, 2000, 3000]), (True, [5, 10, 15])])
def test_curves_go_through_the_means(runs, seconds, across):
    figure = figures.curves(systems(runs), compare(runs), seconds)
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
    with pytest.raises(UserError, match="--quality fid: it, or a score to draw it against, is not in the table"):
        figures.quality_and_control(table, "fid")


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
        Record(name, value, 100, 1.0, {"system": {"varied": {"guidance": at}}, "better": better})
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
    with pytest.raises(UserError, match="--quality fid: it was not scored"):
        figures.sweep_control(swept, "guidance", "fid")


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
