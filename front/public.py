"""What is public of a home over HTTP: the repository's files, read as they are.

Where the edition keeps lists for known verifiers, those of holders' certificates are given to nobody else.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import msgspec
from flask import Blueprint, Response, abort, request, send_from_directory

from ca.clock import Clock
from ca.errors import NotPermitted
from ca.model import ARL
from ocsp.admission import Admission, NotAdmitted
from ocsp.tally import Tally

_TYPES = {
    ".cer": "application/pkix-cert",  # RFC 2585 4.1
    ".crl": "application/pkix-crl",  # RFC 2585 4.2
    ".p7c": "application/pkcs7-mime",  # RFC 8551 3.2.1; RFC 5280 4.2.2.1
    ".p7s": "application/pkcs7-signature",
    ".json": "application/json",
    ".ccp": "application/octet-stream",
}
_NUMBERED = re.compile(r"(\d+)\.crl")
_GENERATION = re.compile(r"[a-z0-9-]{1,40}\.g[0-9]{1,6}", re.ASCII)
_SCOPE = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_AUTHORITY_LIST = re.compile(rf"g/[^/]+/crl/{re.escape(ARL)}(\.crl|\.delta\.crl|/\d+\.crl)")
_LIST = "list"
"""As what a fetched list is counted."""


def public(repository: Path, lists: Admission, tally: Tally | None, clock: Clock) -> Blueprint:
    """The repository of a home.

    Args:
        repository: Its folder.
        lists: The door before the lists of holders' certificates.
        tally: Where it is counted what known verifiers fetch.
        clock: The world's.
    """
    blueprint = Blueprint("public", __name__)
    folder = repository.resolve()

    @blueprint.get("/manifest.json")
    @blueprint.get("/manifest.p7s")
    @blueprint.get("/g/<path:path>")
    @blueprint.get("/journal/<path:path>")
    def file(path: str | None = None) -> Response:  # noqa: ARG001 - the route's variable
        """A file of the repository. Anything else in the home is out of reach."""
        # In the one form that the file system will be asked for.
        name = posixpath.normpath(request.path.lstrip("/"))
        kind = _TYPES.get(Path(name).suffix)
        if kind is None:
            abort(404)
        closed = not lists.open and name.endswith(".crl") and not _AUTHORITY_LIST.fullmatch(name)
        if closed:
            _admit(lists, tally, clock)
        # max_age None: "no-cache", so a client asks again and gets 304 while a list is unchanged.
        response = send_from_directory(folder, name, mimetype=kind, max_age=None)
        if closed:
            response.cache_control.private = True  # no cache on the way gives it to others (RFC 9111 5.2.2.7)
        return response

    @blueprint.get("/g/<generation>/crl/<scope>/index.json")
    def numbers(generation: str, scope: str) -> Response:
        """The numbers of every list of a scope that was ever published."""
        if not (_GENERATION.fullmatch(generation) and _SCOPE.fullmatch(scope)):
            abort(404)
        place = folder / "g" / generation / "crl" / scope
        if not place.is_dir():
            abort(404)
        found = sorted(
            int(match[1]) for entry in place.iterdir() if (match := _NUMBERED.fullmatch(entry.name))
        )
        return Response(msgspec.json.encode({"numbers": found}), mimetype="application/json")

    return blueprint


def _admit(lists: Admission, tally: Tally | None, clock: Clock) -> None:
    """Raise NotPermitted unless the connection shows a verifier; count that it fetches a list."""
    try:
        verifier = lists.by_connection(request.environ, clock())
    except NotAdmitted as error:
        raise NotPermitted(
            "list",
            f"is for signature verifiers that are registered; {error.place} {error.problem}",
            remedy="Come with the registered client certificate (docs/verifiers.md)",
        ) from None
    if verifier is not None and tally is not None:
        tally.counted(verifier, _LIST)
