"""What is wrong with a cluster, or raised in it, is told as if it had happened here."""

import sys

import pytest

from mcqa.errors import ConfigError, DataError, MissingDependencyError, RunError
from mcqa.system.cluster import cluster, packed, unpacked


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    told = pytest.raises(MissingDependencyError, match=r"pip install 'mcqa\[ray\]'")
    with told, cluster("local", print):
        pass


def test_an_error_of_a_task_is_raised_where_it_is_unpacked():
    assert unpacked(packed((1, "a"))) == (1, "a")
    with pytest.raises(DataError, match="row 3"):
        unpacked(packed(DataError("row 3")))


@pytest.fixture
def joined(monkeypatch):
    """Say what `ray.init` does, without any Ray, and what was announced."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'mcqa[ray]'")

    def init(does):
        monkeypatch.setattr(ray, "init", does)
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "shutdown", lambda: said.append("left"))
        return said

    said = []
    return init


def test_an_address_without_a_cluster_is_named(joined):
    def refuse(**how):
        raise ConnectionError("nobody")

    joined(refuse)
    message = r"--ray-address 'auto': no Ray cluster there \(nobody\)"
    with pytest.raises(ConfigError, match=message), cluster("auto", print):
        pass


def test_the_dashboard_is_named_and_the_cluster_left(joined):
    context = type("Context", (), {"dashboard_url": "127.0.0.1:8265"})
    said = joined(lambda **how: context)
    with cluster("auto", said.append):
        said.append("work")
    assert said == ["Ray's dashboard: http://127.0.0.1:8265", "work", "left"]


def test_what_ray_raises_says_how_to_go_on_and_our_errors_are_found_in_it(joined):
    joined(lambda **how: None)
    from ray.exceptions import RayError, RayTaskError

    with pytest.raises(RunError, match="Give the command again"), cluster("auto", print):
        raise RayError("gone")
    with pytest.raises(DataError, match="row 3"), cluster("auto", print):
        raise RayTaskError("f", "trace", DataError("row 3"))
