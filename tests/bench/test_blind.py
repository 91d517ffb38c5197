"""Who orders pictures sees no names, and what he is told of scores is what their order says."""

import json
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from anime_gen.bench import blind
from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record, write


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Five that draw shades of grey, the lighter the better by `light`, the worse by `dark`."""
    folders = []
    for number in range(5):
        folder = tmp_path / f"family{number}" / "0"
        folder.mkdir(parents=True)
        write(folder / "metrics.json", [
            Record("light", 10.0 * number, 64, 1.0, {"better": "higher"}),
            Record("dark", 1.0 + number, 64, 1.0, {"better": "higher"}),
            Record("dark", -10.0 * number, 32, 1.0, {"better": "lower"}),
            Record("shift", 5.0 * number, 64, 1.0, {"better": None}),
            Record("same", 1.0, 64, 1.0, {"better": "lower"}),
            *([Record("some", -1.0 * number, 64, 1.0, {"better": "lower"})] if number else []),
        ])  # fmt: skip
        folders.append(folder)

    def opened(folder, checkpoint, device):
        number = int(folder.parent.name[-1])
        module = SimpleNamespace(
            image_size=16,
            needs=frozenset(),
            sample=lambda condition, seeds: torch.full((len(seeds), 3, 16, 16), number / 4 - 0.5),
        )
        return SimpleNamespace(module=module, folder=folder, trained=SimpleNamespace(images_shown=64))

    monkeypatch.setattr(blind, "OpenRun", opened)
    return folders


def test_letters_by_lot_and_no_name(runs, tmp_path, capsys):
    out = tmp_path / "sheets"
    blind.main(["draw", *map(str, runs), "--out", str(out)])
    key = json.loads((out / "key.json").read_text())
    assert sorted(path.stem for path in out.glob("*.png")) == list("abcde") == sorted(key)
    assert [key[letter]["run"] for letter in "abcde"] != [str(run) for run in runs]
    shades = {letter: Image.open(out / f"{letter}.png").convert("L").getpixel((20, 20)) for letter in key}
    best_first = "".join(sorted(key, key=lambda letter: -int(key[letter]["run"][-3])))
    assert best_first == "".join(sorted(shades, key=lambda letter: -shades[letter]))
    said = capsys.readouterr().out
    assert "family" not in said
    blind.main(["tell", str(out), "--order", best_first, "--order", best_first[::-1]])
    told = capsys.readouterr().out
    assert "-1.00 with each other" in told
    blind.main(["tell", str(out), "--order", best_first])
    told = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines() if line.endswith("runs"))
    # As things stood at the checkpoint; what only four have, among the four; no score of no way or of equal values.
    assert told == {"light": "1.00", "dark": "1.00", "some": "1.00"}


def test_an_order_by_hand():
    scores = {"a": {"x": 3.0}, "b": {"x": 1.0}, "c": {"x": 2.0}, "d": {"x": 4.0}}
    # Places 0 1 2 3 by the eye, 2 0 1 3 by the score.
    assert blind.correlations(["abcd"], scores)["x"] == (4, pytest.approx(1 - 6 * (4 + 1 + 1) / (4 * 15)))


def test_bad_input_is_one_line(runs, tmp_path):
    for words, expected in (
        (["draw", str(runs[0]), "--out", str(tmp_path / "few")], "give 4 to 26 runs, not 1"),
        (["tell", str(tmp_path / "none"), "--order", "ab"], "draw them first"),
    ):
        with pytest.raises(UserError, match=expected):
            blind.main(words)
    out = tmp_path / "sheets"
    blind.main(["draw", *map(str, runs), "--out", str(out)])
    with pytest.raises(UserError, match="each of abcde once"):
        blind.main(["tell", str(out), "--order", "aabcd"])
