"""What is public of a home over HTTP: the repository's files, read as they are."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from flask import Blueprint, Response, abort, request, send_from_directory

_TYPES = {
    ".cer": "application/pkix-cert",  # RFC 2585 4.1
    ".crl": "application/pkix-crl",  # RFC 2585 4.2
    ".p7s": "application/pkcs7-signature",  # RFC 8551 3.2.1
    ".json": "application/json",
    ".ccp": "application/octet-stream",
}
_NUMBERED = re.compile(r"(\d+)\.crl")
_GENERATION = re.compile(r"[a-z0-9-]{1,40}\.g[0-9]{1,6}", re.ASCII)
_SCOPE = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)


def public(repository: Path) -> Blueprint:
    """The repository of a home."""
    blueprint = Blueprint("public", __name__)
    folder = repository.resolve()

    @blueprint.get("/manifest.json")
    @blueprint.get("/manifest.p7s")
    @blueprint.get("/g/<path:path>")
    @blueprint.get("/journal/<path:path>")
    def file(path: str | None = None) -> Response:  # noqa: ARG001 - the route's variable
        """A file of the repository. Anything else in the home is out of reach."""
        name = request.path.lstrip("/")
        kind = _TYPES.get(Path(name).suffix)
        if kind is None:
            abort(404)
        # max_age None: "no-cache", so a client asks again and gets 304 while a list is unchanged.
        return send_from_directory(folder, name, mimetype=kind, max_age=None)

    @blueprint.get("/g/<generation>/crl/<scope>/index.json")
    def numbers(generation: str, scope: str) -> Response:
        """The numbers of every list of a scope that was ever published."""
        if not (_GENERATION.fullmatch(generation) and _SCOPE.fullmatch(scope)):
            abort(404)
        lists = folder / "g" / generation / "crl" / scope
        if not lists.is_dir():
            abort(404)
        found = sorted(
            int(match[1]) for entry in lists.iterdir() if (match := _NUMBERED.fullmatch(entry.name))
        )
        return Response(msgspec.json.encode({"numbers": found}), mimetype="application/json")

    return blueprint
