"""What the README says the shipped judge sees is what its record says."""

from anime_gen.judging.disturbances import DISTURBANCES
from anime_gen.judging.examination import Response, summary
from anime_gen.judging.record import BEGIN, END, README, placed, table
from anime_gen.metrics.judge import held_out


def test_the_readme_is_up_to_date():
    page = README.read_text(encoding="utf-8")
    assert placed(page, table(held_out()["examination"])) == page, "run python -m anime_gen.judging.record"


def test_a_row_is_of_the_score_that_has_to_see_it():
    found = [
        Response(one.name, strength, one.unit, score, 0, value, 0.5, value + place)
        for score, value in (("fd_render", 3), ("fd_judge", 40))
        for one in DISTURBANCES
        for place, strength in enumerate(one.strengths)
        if not one.painted or score == "fd_judge"
    ]
    said = table(
        {"800 faces, 32 px": summary(found), "some": summary([one for one in found if one.disturbance != "warp"])}
    )
    lines = {line.split(" | ")[0].strip("| "): line for line in said.splitlines()}
    assert lines["blur"] == "| blur | 0.35 **0.5** 0.7 1 px of 32 | 3 4 5 6 | 3 4 5 6 |"
    assert lines["warp"] == "| warp | 1 **2** 3 5 % of the width | 40 41 42 43 |  |"
    assert "**50**" in lines["hair missing"]
    assert lines["`fd_judge` undisturbed"].endswith("| 40.00 ± 0.50 | 40.00 ± 0.50 |")
    assert said.splitlines()[0] == "| | strengths | faces, 32 px | some |"


def test_only_what_stands_between_the_marks_is_replaced():
    assert placed(f"a\n{BEGIN}old\n{END}b\n", "new\n") == f"a\n{BEGIN}new\n{END}b\n"
