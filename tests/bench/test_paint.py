"""The measurement of painting, at toy size."""

import re

from anime_gen.bench import paint


def test_paints_the_training_split_as_a_run_does(capsys):
    paint.main(["--faces=400", "--size=16", "--processes=2"])
    printed = capsys.readouterr().out
    found = re.fullmatch(
        r"280 faces at 16 px: ([\d.]+) s with 2 processes, (\d+) a second; ([\d.]+) ms of a core each, "
        r"(\d+) a second and core\n",
        printed,
    )
    assert found, printed
    seconds, rate, cost, core = map(float, found.groups())
    assert abs(rate * seconds - 280) < 0.05 * rate + 0.5 * seconds + 1
    assert abs(cost * core - 1000) < 0.005 * core + 0.5 * cost + 1


def test_time_of_the_workers_counts():
    """Most of the work is done by children: without them a face would cost next to nothing."""
    alone, helped = paint.measure(400, 16, 1), paint.measure(400, 16, 2)
    assert helped.busy > 0.4 * alone.busy
