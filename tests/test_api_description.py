"""The description of the machine interface: it is all there is, and the served application does what it says.

Schemathesis makes requests from it, good ones and bad ones, the same in every run; the world holds cases, certificates and
media that their paths can name.
"""

from __future__ import annotations

import zlib

import pytest
import schemathesis
from hypothesis import settings
from schemathesis.checks import load_all_checks, positive_data_acceptance

from ca.rules.self_check import fiscal_year
from front.registration.api import OPERATIONS
from front.registration.operations import PREFIX
from tests import rings
from tests.api_world import CLERKS, FEED, POST, api_world, description, validator

# Each operation's strategy shows the whole description when Hypothesis shows it; no test is about that.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

DOCUMENT = description()
EXAMPLES = max(40, rings.FUZZ // 500)
"""Requests of an operation, about. A thousand in all take some seconds."""

load_all_checks()
SCHEMA = schemathesis.openapi.from_dict(
    DOCUMENT,
    config=schemathesis.Config.from_dict(
        {
            "seed": 20140401,
            # Its number of requests has no bound.
            "phases": {"coverage": {"enabled": False}},
            "generation": {
                "max-examples": EXAMPLES, "deterministic": True, "database": "none", "mode": "all",
            },
        }
    ),
)  # fmt: skip
# What a schema cannot say is refused too: a code's check digit, a request's signature, a step out of its turn.
UNSAID = [positive_data_acceptance]


class Later:
    """The application of the world that a test has, which is not there yet when tests are collected."""

    app = None

    def __call__(self, environ, start_response):
        return self.app(environ, start_response)


SCHEMA.app = Later()


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    """A world with cases in every state that a path may name."""
    with api_world(tmp_path_factory.mktemp("described") / "world") as world:
        numbers = [world.done("/cases", world.resident(), "window")["case"] for _ in range(4)]
        world.done(f"/cases/{numbers[1]}/examination", key="window-2")
        numbers += [world.issued(world.resident()) for _ in range(3)]
        world.done(f"/cases/{numbers[-1]}/hand-over", key="window")
        world.done("/media", {"medium": "LG-0001"}, "uke")
        world.done("/media", {"medium": "LG-0002"}, "uke")
        numbers.append(world.issued_post(medium="LG-0001"))
        world.places = {
            "case": numbers,
            "certificate": [str(one) for case in numbers for one in world.local.certificates(case)],
            "medium": ["LG-0001", "LG-0002"],
            "office": ["local-1", "local-2"],
            "year": [str(fiscal_year(world.local.at)), str(fiscal_year(world.local.at) - 1)],
        }
        SCHEMA.app.app = world.app
        yield world


def chosen(among, case):
    """One of these, by what the request is: the same in every run."""
    said = f"{case.operation.label} {case.path_parameters} {case.query} {case.body!r}"
    return among[zlib.crc32(said.encode("utf-8", "surrogatepass")) % len(among)]


def asked(world, case, client):
    """Send a request, of which two of three are about something that is there; the answer is as it should be."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = chosen([*world.places[name] * 2, case.path_parameters[name]], case)
    headers = {} if client is None else {"Authorization": f"Bearer {world.keys[client]}"}
    answer = case.call_and_validate(headers=headers, excluded_checks=UNSAID)
    assert str(answer.status_code) in case.operation.definition.raw["responses"]
    return answer


@pytest.mark.deeper
@SCHEMA.parametrize()
def test_what_is_asked_is_answered_as_the_description_says(seeded, case):
    opens = {"officer": chosen(CLERKS, case), "feed": FEED}
    keys = [opens[kind] for entry in case.operation.definition.raw["security"] for kind in entry]
    asked(seeded, case, *keys or [None])


@SCHEMA.parametrize()
@settings(max_examples=5)
def test_without_a_key_nothing_opens_that_takes_one(seeded, case):
    answer = asked(seeded, case, None)
    assert (answer.status_code == 401) is bool(case.operation.definition.raw["security"])


def test_every_operation_is_asked():
    asked = [found.ok().definition.raw["operationId"] for found in SCHEMA.get_all_operations()]
    assert sorted(asked) == sorted(operation.id for operation in OPERATIONS)


def test_the_description_is_served_and_is_one(seeded):
    answer = seeded.get("/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json == DOCUMENT | {"servers": [{"url": seeded.local.world.description.url}]}
    SCHEMA.validate()


def test_every_route_is_described(seeded):
    there = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in seeded.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(PREFIX + "/")
    }
    said = {(method.upper(), path) for path, ways in DOCUMENT["paths"].items() for method in ways}
    assert there == said | {("GET", "/api/openapi.json")}


def test_every_word_is_explained():
    """Each operation and each schema of more than a word; generated clients call each by a name of its own."""
    ways = [way for ways in DOCUMENT["paths"].values() for way in ways.values()]
    assert len({way["operationId"] for way in ways}) == len(ways) == len(OPERATIONS)
    assert all(way["summary"].endswith(".") for way in ways)
    schemas = DOCUMENT["components"]["schemas"]
    assert [name for name, schema in schemas.items() if not schema.get("description")] == []
    assert not [name for name in schemas if validator(name).is_valid(None)]


@pytest.mark.parametrize(
    "said", [{"csrs": {}, "local": POST, "extra": 1}, {"csrs": []}, {"csrs": {"a": None}}, []]
)
def test_the_schema_of_an_application_refuses_what_the_route_refuses(seeded, said):
    assert not validator("Filing").is_valid(said)
    assert seeded.post("/cases", said, "window").status_code == 400
