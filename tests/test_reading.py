"""Files that may be anybody's."""

import pytest

from anime_gen.contract import UserError
from anime_gen.reading import map_array, parse_json, read_json, read_yaml


@pytest.mark.parametrize("content", ["", " ", "{", b"\xff\xfe{", "[" * 100_000, '{"a":' * 100_000, "9" * 5000])
def test_what_is_no_json(tmp_path, content):
    with pytest.raises(UserError, match=r"^line 3 is (not JSON|empty)"):
        parse_json(content, "line 3")
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        read_json(tmp_path)


def test_encodings_of_json():
    assert parse_json('{"a": 1}'.encode("utf-16"), "x") == parse_json('\N{BOM}{"a": 1}'.encode(), "x") == {"a": 1}


@pytest.mark.parametrize("content", [b"a: b: c", b"[" * 20_000, b"\xff", b"!!python/object/apply:os.getcwd []"])
def test_what_is_no_yaml(tmp_path, content):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.yaml is no YAML") as told:
        read_yaml(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04", b"not an array"])
def test_what_is_no_array(tmp_path, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npy is damaged .*: delete it"):
        map_array(path)
