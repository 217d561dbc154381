"""What an operation of the machine interface is: one row, from which both its route and its description are made.

A row says what an operation takes and gives as structs; requests are decoded into the one and answers encoded from the
other. So the description (``describing``) says what is done, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import msgspec
from flask import Blueprint, Response, request

from ca.errors import BadInput, NotPermitted
from ca.model import Office, Officer, OfficerId
from ca.store import officers
from ca.store.clients import ClientKey, KeyPurpose
from front.assembly import World
from front.credentials import authenticate
from front.looking import Sought, noting_refusals, require_patience
from front.strict_json import decode

S = TypeVar("S")

PREFIX = "/api"
JSON = "application/json"

Reply = msgspec.Struct | tuple[int, msgspec.Struct]
"""An answer under the operation's first status, or under another of its own."""


class Nothing(msgspec.Struct, frozen=True):
    """What an operation is sent that takes neither body nor query."""


@dataclass(frozen=True, slots=True)
class Call(Generic[S]):
    """A request, as an operation gets it.

    Attributes:
        sent: The body of a POST, the query of a GET.
        places: What stands in the path for each of its names.
        key: Whose client key it carries; None for an operation that takes none.
    """

    world: World
    sent: S = field(repr=False)
    places: Mapping[str, str]
    key: ClientKey | None = field(default=None, repr=False)

    @property
    def officer(self) -> OfficerId:
        """The officer who calls."""
        assert self.key is not None, "only operations with a key ask"
        assert self.key.officer is not None, "an officer's key names the officer"
        return self.key.officer

    @property
    def client(self) -> str:
        """The name of the client key."""
        assert self.key is not None, "only operations with a key ask"
        return self.key.name

    def person(self) -> tuple[Officer, Office]:
        """The officer who calls, with the office."""
        with self.world.stores.nation.reading() as connection:
            return officers.officer(connection, self.officer)


@dataclass(frozen=True, slots=True)
class Operation(Generic[S]):
    """A row of the machine interface.

    Attributes:
        id: Its name, the only one; generated clients call it so.
        path: Below ``/api``, what varies in braces.
        says: What it does, in a line.
        run: Does it.
        sends: What it takes: a struct, ``bytes`` for a body as it is, or ``Nothing``.
        gives: What it answers.
        subject: The group that it stands in.
        key: Which client key it takes; None for none.
        statuses: What it answers with if all is well.
        media: The media types of its body. What says another is read as the first.
        query: Of an operation with another body: what its query may have.
        body_needed: Whether an empty body is refused; if not, it stands for one without fields.
        looks_up: Whether it finds holders by their codes, which nobody may do too often.
    """

    id: str
    method: Literal["GET", "POST"]
    path: str
    says: str
    run: Callable[[Call[S]], Reply]
    sends: type[S]
    gives: type[msgspec.Struct]
    subject: str
    key: KeyPurpose | None = KeyPurpose.OFFICER
    statuses: tuple[int, ...] = (200,)
    media: tuple[str, ...] = (JSON,)
    query: type[msgspec.Struct] | None = None
    body_needed: bool = True
    looks_up: bool = False

    @property
    def rule(self) -> str:
        """Its path as Flask writes it."""
        return self.path.replace("{", "<").replace("}", ">")

    @property
    def asks(self) -> type[msgspec.Struct] | None:
        """What its query has, if it has one."""
        sent = self.sends if self.method == "GET" else self.query
        return None if sent is None or sent is Nothing else _struct(sent)

    @property
    def body(self) -> type[S] | None:
        """What its body is, if it has one."""
        return None if self.method == "GET" or self.sends is Nothing else self.sends


def blueprint_of(world: World, operations: Iterable[Operation[Any]]) -> Blueprint:
    """The routes of these operations over a world."""
    blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
    for operation in operations:
        blueprint.add_url_rule(
            operation.rule, operation.id, _view(world, operation), methods=[operation.method]
        )
    return blueprint


def _view(world: World, operation: Operation[S]) -> Callable[..., Response]:
    def view(**places: str) -> Response:
        key = None
        if operation.key is not None:
            # Before anything that was sent is looked at.
            with world.stores.nation.reading() as connection:
                key = authenticate(connection, request.headers.get("Authorization"), operation.key)
        call = Call(world, _sent(operation), places, key)
        reply = _look_up(operation, call) if operation.looks_up else operation.run(call)
        status, answer = reply if isinstance(reply, tuple) else (operation.statuses[0], reply)
        assert status in operation.statuses, f"{operation.id} does not say that it answers {status}"
        assert isinstance(answer, operation.gives), f"{operation.id} gives what it does not say"
        return Response(msgspec.json.encode(answer), status=status, mimetype=JSON)

    return view


def _look_up(operation: Operation[S], call: Call[S]) -> Reply:
    """Run an operation that finds holders, unless the caller has looked up too many. Refused, it leaves a trace."""
    officer, _ = call.person()
    with noting_refusals(call.world, officer, Sought.HOLDER, refusals=(NotPermitted,), client=call.client):
        require_patience(call.world, officer)
        return operation.run(call)


def _sent(operation: Operation[S]) -> S:
    if operation.sends is bytes:
        return msgspec.convert(request.get_data(), operation.sends)
    if operation.body is not None:
        octets = request.get_data()
        return decode(octets if octets or operation.body_needed else b"{}", operation.sends, "body")
    if operation.asks is not None and operation.method == "GET":
        return _query(operation.sends)
    return msgspec.convert({}, operation.sends)


def _query(kind: type[S]) -> S:
    """The query as a struct of texts, or BadInput that does not repeat what was sent."""
    known = _struct(kind).__struct_fields__
    for name, texts in request.args.lists():
        if name not in known:
            raise BadInput("query", "has another parameter", remedy=f"Known are {', '.join(known)}")
        if len(texts) > 1:
            raise BadInput(f"query, {name}", "stands there twice")
    return decode(msgspec.json.encode(request.args.to_dict()), kind, "query")


def _struct(kind: type[Any]) -> type[msgspec.Struct]:
    assert issubclass(kind, msgspec.Struct), "a query is a struct"
    return kind
