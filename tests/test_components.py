"""What the tests need of the machine is named in one table, installed by .ci/run, and asked for aloud."""

import re
from pathlib import Path

import pytest

from tests import components
from tests.components import COMPONENTS, Component, require

ROOT = Path(__file__).parent.parent


def test_ci_installs_every_component():
    (packages,) = re.findall(r"^packages=\((.+)\)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert {component.package for component in COMPONENTS.values()} <= set(packages.split())


def test_each_ring_is_all_that_the_other_is_not():
    recipes = (ROOT / "Makefile").read_text()
    assert "-m 'not long'" in recipes
    assert "-m 'long or deeper'" in recipes


@pytest.fixture
def absent(monkeypatch):
    monkeypatch.setitem(COMPONENTS, "absent", Component("no-such-program", "no-such-package"))
    yield "absent"
    components.found.cache_clear()


WORDS = r"absent is not installed: apt-get install no-such-package"


def test_a_missing_component_is_named_with_its_package(absent, monkeypatch):
    monkeypatch.delenv(components.VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match=WORDS):
        require("openssl", absent)


def test_where_all_are_required_it_fails(absent, monkeypatch):
    monkeypatch.setenv(components.VARIABLE, "1")
    with pytest.raises(pytest.fail.Exception, match=WORDS):
        require("openssl", absent)


def test_what_is_there_is_found():
    assert require("openssl").name == "openssl"
    assert Component("usr/bin/*sh", "dash").find() is not None
