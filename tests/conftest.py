"""Fixtures for tests that work in a home. They cost a second once; a copy of a world costs a tenth of one.

``edition_file``     the edition file of the small world: three prefectures (tests/small_edition.py)
``pristine_world``   its home, seeded, as ``init`` leaves it; shared, so for reading only
``world``            a copy of it for one test
``staffed_world``    a copy with officers (tests.small_edition.OFFICERS) for one test
``database``         where engine worlds keep what they know; the engine's tests run on each of them
``kakehashi``        runs the real command in a process of its own: ``kakehashi("list", "publish", "--home", world)``

Quicker than ``kakehashi`` is ``tests.commands.run``, the same command in the test's own process.
"""

import shutil

import pytest
from hypothesis import settings

from tests import commands, engine_world, postgresql, rings
from tests.small_edition import OFFICERS, SEED, small_edition

# A loaded machine must not make a test fail: speed is not measured here.
settings.register_profile("kakehashi", deadline=None, max_examples=rings.EXAMPLES)
settings.load_profile("kakehashi")


def pytest_collection_modifyitems(items):
    """Every law is tried on more examples in ``make test-long``."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.deeper)


def pytest_generate_tests(metafunc):
    """The engine's tests run on SQLite and on PostgreSQL; what is SQLite's own stays SQLite's."""
    module, name = metafunc.module.__name__.rpartition(".")[2], metafunc.function.__name__
    if module in postgresql.ON_BOTH and name not in postgresql.SQLITES_OWN:
        ring = () if f"{module}.{name}" in postgresql.QUICK else pytest.mark.long
        metafunc.parametrize(
            "database", ["sqlite", pytest.param("postgresql", marks=ring)], indirect=True, scope="module"
        )


@pytest.fixture(scope="module", autouse=True)
def database(request):
    kind = getattr(request, "param", "sqlite")
    engine_world.layout = engine_world.SERVER if kind == "postgresql" else engine_world.FILES
    yield kind
    engine_world.layout = engine_world.FILES


@pytest.fixture(autouse=True)
def _databases_end_with_their_test():
    with postgresql.dropping():
        yield


@pytest.fixture(scope="session")
def edition_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("edition") / "small.toml"
    path.write_text(small_edition(), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def pristine_world(edition_file, tmp_path_factory):
    home = tmp_path_factory.mktemp("pristine") / "home"
    arguments = ("--edition", edition_file, "--test-keys", "--seed", SEED, "--home", home)
    commands.done(commands.run("init", *arguments))
    return home


@pytest.fixture(scope="session")
def pristine_staffed_world(pristine_world, tmp_path_factory):
    home = tmp_path_factory.mktemp("staffed") / "home"
    shutil.copytree(pristine_world, home)
    for officer, (office, role) in OFFICERS.items():
        commands.done(
            commands.run("officer", "add", officer, "--office", office, "--role", role, "--home", home)
        )
    return home


@pytest.fixture
def world(pristine_world, tmp_path):
    return shutil.copytree(pristine_world, tmp_path / "home")


@pytest.fixture
def staffed_world(pristine_staffed_world, tmp_path):
    return shutil.copytree(pristine_staffed_world, tmp_path / "home")


@pytest.fixture(scope="session")
def kakehashi():
    return commands.kakehashi
