"""A cluster of two nodes makes what one process makes, byte for byte, and goes on where it was stopped."""

import pytest

from anime_gen.contract import UserError
from anime_gen.prepare import Whole
from anime_gen.prepare.picture import Work
from anime_gen.prepare.pipeline import prepare
from anime_gen.prepare.rules import Rules

RULES = Rules(size=64, margin=0.0)


def files(folder):
    made = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}
    return {**made, "manifest": (folder / "manifest.csv").read_bytes()}


@pytest.fixture
def two_nodes():
    pytest.importorskip("ray", reason="pip install anime_gen[ray]")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster.address
    cluster.shutdown()


@pytest.mark.slow
def test_two_nodes_make_what_one_process_makes(raw, tmp_path, two_nodes):
    (raw / "broken.png").write_bytes(b"nothing")
    here, there = (Work(raw, tmp_path / name, Whole(), RULES) for name in ("here", "there"))
    prepare(here, 1)
    outcomes = prepare(there, cluster=two_nodes)
    assert files(tmp_path / "here") == files(tmp_path / "there")
    assert len(outcomes) == 13
    journal = tmp_path / "there/journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:6]) + lines[6][:5])
    (tmp_path / "there/manifest.csv").unlink()
    prepare(there, cluster=two_nodes)
    assert files(tmp_path / "here") == files(tmp_path / "there")


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_told(raw, tmp_path):
    pytest.importorskip("ray", reason="pip install anime_gen[ray]")
    with pytest.raises(UserError, match=r"--ray 127\.0\.0\.1:1: "):
        prepare(Work(raw, tmp_path / "out", Whole(), RULES), cluster="127.0.0.1:1")


def test_without_ray_its_name_is_told(raw, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--ray wants Ray: pip install anime_gen\[ray\]"):
        prepare(Work(raw, tmp_path / "out", Whole(), RULES), cluster="local")
