"""The measurement of streaming reads what it says it reads."""

import pytest

from anime_gen.bench import shards


@pytest.mark.slow
def test_each_row_is_a_process_that_reads_the_pictures(capfd):
    shards.main(["--pictures=120", "--pixels=32", "--size=16", "--entries=3000", "--images=128"])
    lines = [line.split("|")[1:-1] for line in capfd.readouterr().out.splitlines() if line.startswith("| ")]
    rows = {name.strip(): [float(cell) for cell in cells] for name, *cells in lines[1:]}
    assert list(rows) == ["folder, first time", "folder, packed", "shards", "shards, 2 workers", "shards of 3,000"]
    for _, rate, megabytes in rows.values():
        assert rate > 0
        assert 10 < megabytes < 4000
