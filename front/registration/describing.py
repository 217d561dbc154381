"""The machine interface described for machines: OpenAPI 3.1, made from the operations and the structs they speak."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from ca.store.clients import KeyPurpose
from front.problems import MEDIA_TYPE, Problem
from front.registration.operations import JSON, PREFIX, Operation

VERSION = "1"
"""Of the interface; what a client of this version uses is not taken away under it."""

_REF = "#/components/schemas/{name}"
_NAME = re.compile(r"\{(\w+)\}")
_PLACES = {
    "case": "A case's number, such as 131016-000001.",
    "certificate": "A certificate's id, authority.generation:serial.",
    "medium": "The number printed on a key medium.",
    "office": "The name of a sub-office.",
    "year": "A fiscal year, by the year in which it begins.",
}
_KEYS = {
    KeyPurpose.OFFICER: "An officer's client key: what it opens follows from office and role.",
    KeyPurpose.FEED: "A feed's client key.",
}
_WHEN = {
    400: "What was sent is not what is asked for.",
    401: "No client key, or one that is unknown or was revoked.",
    403: "The caller may not do this.",
    404: "There is no such thing.",
    409: "It does not fit the state that things are in.",
    413: "What was sent is too long.",
    422: "What was drafted would break a rule; nothing was signed.",
    429: "The caller has looked up too many holders in a minute.",
    503: "A key, the disk or the database cannot be used now.",
}
_RETRY_AFTER = {
    "description": "Seconds after which the next is let pass.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": 60},
}


def describe(operations: Sequence[Operation[Any]], url: str) -> dict[str, Any]:
    """The whole document, as JSON has it.

    Args:
        operations: What there is.
        url: Where the interface is served.
    """
    schemas, components = msgspec.json.schema_components(_structs(operations), ref_template=_REF)
    of = dict(zip(_structs(operations), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(
            operation, of, components
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kakehashi: registration and revocation",
            "version": VERSION,
            "description": "docs/api.md explains it, with an application step by step.",
        },
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": {name: _told(schema) for name, schema in components.items()},
            "securitySchemes": {
                purpose.value: {"type": "http", "scheme": "bearer", "description": said}
                for purpose, said in _KEYS.items()
            },
        },
    }


def _structs(operations: Iterable[Operation[Any]]) -> list[type[msgspec.Struct]]:
    """Every struct that is spoken, once."""

    def all_of() -> Iterator[type[msgspec.Struct] | None]:
        yield Problem
        for operation in operations:
            yield operation.gives
            yield operation.asks
            yield operation.body if operation.body is not bytes else None

    return [struct for struct in dict.fromkeys(all_of()) if struct is not None]


def _operation(
    operation: Operation[Any], of: dict[type[msgspec.Struct], Any], components: dict[str, Any]
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.says,
        "tags": [operation.subject],
        "security": [] if operation.key is None else [{operation.key.value: []}],
        "parameters": [*_places(operation), *_query(operation, components)],
        "responses": _responses(operation, of),
    }
    if operation.body is bytes:
        content: dict[str, Any] = {media: {} for media in operation.media}
        fields["requestBody"] = {"required": operation.body_needed, "content": content}
    elif operation.body is not None:
        content = {JSON: {"schema": of[operation.body]}}
        fields["requestBody"] = {"required": operation.body_needed, "content": content}
    return fields


def _places(operation: Operation[Any]) -> Iterator[dict[str, Any]]:
    for name in _NAME.findall(operation.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PLACES[name],
            "schema": {"type": "string", "minLength": 1},
        }


def _query(operation: Operation[Any], components: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if operation.asks is None:
        return
    schema = _told(components[operation.asks.__name__])
    for name, told in schema["properties"].items():
        described = {key: value for key, value in told.items() if key not in {"description", "default"}}
        # A query has no null: what is optional is left out.
        kinds = [kind for kind in described.pop("anyOf", ()) if kind != {"type": "null"}]
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": told.get("description", ""),
            "schema": described | (kinds[0] if kinds else {}),
        }


def _responses(operation: Operation[Any], of: dict[type[msgspec.Struct], Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": {JSON: {"schema": of[operation.gives]}},
        }
        for status in operation.statuses
    }
    for status in _refusals(operation):
        content = {MEDIA_TYPE: {"schema": of[Problem]}}
        told[str(status)] = {"description": _WHEN[status], "content": content}
    if 429 in _refusals(operation):
        told["429"]["headers"] = {"Retry-After": _RETRY_AFTER}
    return told


def _refusals(operation: Operation[Any]) -> list[int]:
    found = {503}
    if operation.key is not None:
        found |= {401, 403}
    if operation.asks is not None:
        found |= {400, 404}
    if "{" in operation.path:
        found |= {400, 404}
    if operation.method == "POST":
        found |= {400, 403, 404, 409, 413, 422}
    if operation.looks_up:
        found |= {429}
    return sorted(found)


def _told(schema: Any) -> Any:
    """A schema for readers elsewhere: each attribute's line of the docstring with its property, patterns as ECMA has them."""
    if isinstance(schema, list):
        return [_told(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: _told(value) for name, value in schema.items()}
    if isinstance(told.get("pattern"), str):
        told["pattern"] = told["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    if isinstance(told.get("description"), str) and "properties" in told:
        head, lines = _docstring(told["description"])
        told["description"] = head
        for name, line in lines.items():
            # Beside a reference, too: JSON Schema of OpenAPI 3.1 allows it.
            told["properties"][name] = {**told["properties"][name], "description": line}
    return told


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of its struct, and of each attribute."""
    head, _, attributes = inspect.cleandoc(text).partition("\n\nAttributes:\n")
    lines: dict[str, str] = {}
    last = ""
    for line in inspect.cleandoc(attributes).splitlines():
        if line.startswith(" "):
            lines[last] += f" {line.strip()}"
        else:
            last, _, said = line.partition(": ")
            lines[last] = said
    return " ".join(head.split()), lines
