import pytest

from anime_gen.contract import UserError
from anime_gen.settings.ranges import Ranges


@pytest.mark.parametrize(
    ("text", "numbers"), [("7", [7]), ("0-3,7", [0, 1, 2, 3, 7]), (" 5 , 1-1", [5, 1]), (str(2**63 - 1), [2**63 - 1])]
)
def test_numbers_and_ranges(text, numbers):
    assert list(Ranges(text)) == numbers
    assert str(Ranges(text)) == text


@pytest.mark.parametrize("text", ["", "a", "1,", "3-1", "-1", "1.5", "1-2-3"])
def test_something_else(text):
    with pytest.raises(UserError, match=f"^{text}: give numbers and ranges such as"):
        Ranges(text)


@pytest.mark.parametrize("text", [str(2**63), f"{2**63 - 1}-{2**63}"])
def test_too_large_for_a_seed(text):
    with pytest.raises(UserError, match=r"below 2\*\*63"):
        Ranges(text)
