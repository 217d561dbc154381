"""The Flask application over one opened world: what is public, the machine interface, and how the server is."""

from __future__ import annotations

import time

from flask import Flask, Response, g, jsonify, request

from ca.clock import system_clock
from ca.store import clients
from front import problems
from front.assembly import World
from front.logs import log
from front.public import public
from front.registration.api import api
from front.registration.feeds import feeds
from front.worker import HEALTH_JOB

_MAXIMUM_BODY = 4 * 1024 * 1024


def create_app(world: World) -> Flask:
    """The application over a world."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _MAXIMUM_BODY
    problems.register(app)
    app.register_blueprint(public(world.home.repository))
    app.register_blueprint(api(world))
    app.register_blueprint(feeds(world))

    @app.get("/health")
    def health() -> Response:
        """That this process answers."""
        return jsonify(status="ok", edition=world.description.edition, marking=world.description.marking)

    @app.get("/ready")
    def ready() -> Response:
        """That the store can be read and a worker's last round went well: what was revoked will be published."""
        with world.stores.nation.reading() as connection:
            until = clients.lease_end(connection, HEALTH_JOB)
        working = until is not None and until > system_clock()
        response = jsonify(status="ok" if working else "no worker", worker=working)
        response.status_code = 200 if working else 503
        return response

    @app.before_request
    def _begin() -> None:
        g.began = time.monotonic()

    @app.after_request
    def _end(response: Response) -> Response:
        # The rule, not the path: a path may hold what a client mistook for something public.
        log(
            "request",
            method=request.method,
            route=str(request.url_rule or "none"),
            status=response.status_code,
            milliseconds=round((time.monotonic() - g.get("began", time.monotonic())) * 1000, 1),
        )
        return response

    return app
