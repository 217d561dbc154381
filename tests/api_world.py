"""The machine interface over a small world of japan-2016, with clients for everybody who works in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import jsonschema_rs
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ca.model import CertificateKind, OfficerId
from ca.store.clients import KeyPurpose
from front.app import create_app
from front.credentials import new_key
from front.demo.people import invented_code
from front.registration.api import OPERATIONS
from front.registration.describing import describe
from tests.engine_world import csr_for
from tests.local_world import PEOPLE, LocalWorld, local_world, pem_of

CLERKS = ("window", "window-2", "centre-1", "operator", *PEOPLE)
"""Officers of a window (Tottori-shi), of a local government (local-2), and of the centre."""
FEED = "register"
RESIDENT = {
    "name": "架橋\u3000見本", "sex": "female", "birth_date": "1990-05-05",
    "address": "鳥取県鳥取市見本町九丁目九番九号", "municipality": "312011",
}  # fmt: skip
POST = {"government": "City of Kakehashi", "unit": "General Affairs Division", "name": "The Mayor"}
BOTH = ("signature", "user-authentication")


@cache
def description() -> dict:
    """The description of the interface, as JSON has it."""
    return json.loads(json.dumps(describe(OPERATIONS, "http://localhost")))


@cache
def validator(name: str) -> jsonschema_rs.Validator:
    """What judges a value by a schema of the description."""
    whole = {"$defs": description()["components"]["schemas"], "$ref": f"#/$defs/{name}"}
    return jsonschema_rs.validator_for(
        json.loads(json.dumps(whole).replace("#/components/schemas/", "#/$defs/"))
    )


def require_described(method: str, path: str, answer: TestResponse) -> None:
    """Fail unless the answer is one that the description has for such a request."""
    target = path.partition("?")[0]
    for template, ways in description()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), target) and method.lower() in ways:
            said = ways[method.lower()]["responses"][str(answer.status_code)]["content"]
            validator(said[answer.mimetype]["schema"]["$ref"].rpartition("/")[2]).validate(answer.json)
            return
    assert target == "/api/openapi.json", f"{method} {path} is not described"


@dataclass
class ApiWorld:
    """A world, its interface, and a key for each client."""

    local: LocalWorld
    app: Flask
    client: FlaskClient
    keys: dict[str, str]
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(10_000, 20_000)))

    def ask(self, method: str, path: str, body=None, *, key: str | None = None, **more) -> TestResponse:
        headers = {} if key is None else {"Authorization": f"Bearer {self.keys[key]}"}
        octets = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        answer = self.client.open(f"/api{path}", method=method, data=octets, headers=headers, **more)
        require_described(method, f"/api{path}", answer)
        return answer

    def get(self, path: str, key: str | None = None) -> TestResponse:
        return self.ask("GET", path, key=key)

    def post(self, path: str, body=None, key: str | None = None) -> TestResponse:
        return self.ask("POST", path, body, key=key)

    def done(self, path: str, body=None, key: str | None = None) -> dict:
        """What the answer says, which has to be a good one."""
        answer = self.post(path, body, key)
        assert answer.status_code in {200, 201}, answer.get_data(as_text=True)
        return answer.json

    def csrs(self, *kinds: str) -> dict[str, str]:
        return {kind: pem_of(csr_for(next(self._numbers))) for kind in kinds}

    def resident(self, *kinds: str, **more) -> dict:
        """Somebody's application, somebody new unless a code is said."""
        code = more.pop("code", None) or str(invented_code(next(self._numbers)))
        return {"resident": RESIDENT | {"code": code}, "csrs": self.csrs(*(kinds or BOTH)), **more}

    def issued(self, filing: dict) -> str:
        """The number of a case whose certificates wait for their holder."""
        case = self.done("/cases", filing, "window")["case"]
        for step, officer in (
            ("examination", "window-2"),
            ("approval", "centre-1"),
            ("issuance", "operator"),
        ):
            self.done(f"/cases/{case}/{step}", key=officer)
        return case

    def issued_post(self, **more) -> str:
        """The same of a local government."""
        filing = {"local": POST, "csrs": self.csrs(CertificateKind.LG_POST), **more}
        case = self.done("/cases", filing, "uke")["case"]
        ways = (
            ("examination", "shin"), ("re-examination", "again"), ("approval", "shonin"), ("issuance", "unyo"),
        )  # fmt: skip
        for step, officer in ways:
            self.done(f"/cases/{case}/{step}", key=officer)
        return case


@contextmanager
def api_world(folder: Path) -> Iterator[ApiWorld]:
    """A fresh one in this folder."""
    with local_world(folder) as local:
        keys = {}
        with local.stores.nation.writing() as connection:
            for name in CLERKS:
                officer = OfficerId(name)
                keys[name] = new_key(
                    connection, name=name, purpose=KeyPurpose.OFFICER, officer=officer, at=local.at
                )
            feed = KeyPurpose.FEED
            keys[FEED] = new_key(connection, name=FEED, purpose=feed, officer=None, at=local.at)
        app = create_app(local.world)
        yield ApiWorld(local, app, app.test_client(), keys)
