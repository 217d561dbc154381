"""The Flask application: what is public of one home, and whether the server is well."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, abort, jsonify, request, send_from_directory

from front.home import Home

HOME_VARIABLE = "KAKEHASHI_SERVED_HOME"
_TYPES = {
    ".cer": "application/pkix-cert",  # RFC 2585 4.1
    ".crl": "application/pkix-crl",  # RFC 2585 4.2
    ".p7s": "application/pkcs7-signature",  # RFC 8551 3.2.1
    ".json": "application/json",
    ".ccp": "application/octet-stream",
}


def create_app(folder: str | None = None) -> Flask:
    """The application over a complete home; a served worker finds its home in the environment."""
    home = Home(Path(folder or os.environ[HOME_VARIABLE]))
    description = home.require_complete()
    app = Flask(__name__, static_folder=None)

    @app.get("/manifest.json")
    @app.get("/manifest.p7s")
    @app.get("/g/<path:path>")
    def repository(path: str | None = None) -> Response:  # noqa: ARG001 - the route's variable
        """A file of the repository. Anything else in the home is out of reach."""
        name = request.path.lstrip("/")
        kind = _TYPES.get(Path(name).suffix)
        if kind is None:
            abort(404)
        # max_age None: "no-cache", so a client asks again and gets 304 while a list is unchanged.
        return send_from_directory(home.repository.resolve(), name, mimetype=kind, max_age=None)

    @app.get("/health")
    def health() -> Response:
        """That this process answers."""
        return jsonify(status="ok", edition=description.edition, marking=description.marking)

    return app
