"""The Flask application over one opened world: what is public, the machine interface, the pages, and how the server is."""

from __future__ import annotations

import time

from flask import Flask, Response, g, jsonify, request

from ca.clock import system_clock
from ca.store import clients, heartbeats
from front import problems
from front.asking import Asking, doors
from front.assembly import World
from front.console.room import console_room
from front.following import followed
from front.local.room import local_room
from front.logs import log
from front.pages.offices import call_offices
from front.pages.rendering import install
from front.public import public
from front.registration.api import api
from front.registration.window import window
from front.signing_in import pages as signing_in
from front.signing_in import visitor
from front.worker import HEALTH_JOB

_MAXIMUM_BODY = 4 * 1024 * 1024


def create_app(world: World, asking: Asking | None = None) -> Flask:
    """The application over a world; without ``asking`` nothing is counted."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _MAXIMUM_BODY
    problems.register(app)
    practices = world.plan.practices.values()
    lists = doors(practices, world.stores.nation)[1] if asking is None else asking.lists
    tally = None if asking is None else asking.tally
    app.register_blueprint(public(world.home.repository, lists, tally, world.clock))
    app.register_blueprint(api(world))
    app.before_request(visitor.load(world))
    call_offices(app, world.plan)
    install(app, (window(world), local_room(world), console_room(world), signing_in.room(world)))

    @app.get("/health")
    def health() -> Response:
        """That this process answers."""
        return jsonify(status="ok", edition=world.description.edition, marking=world.description.marking)

    @app.get("/ready")
    def ready() -> Response:
        """That the store can be read and a worker's last round went well: what was revoked will be published.

        It says too how long ago, in seconds, the primary was last alive as far as the database knows; and how the
        directory does that the worker keeps up to date, if it does: that one may fail, and status is given all the same.
        """
        with world.stores.nation.reading() as connection:
            until = clients.lease_end(connection, HEALTH_JOB)
            beat = heartbeats.last(connection)
        now = system_clock()
        working = until is not None and until > now
        age = None if beat is None else round((now - beat.beaten).total_seconds(), 3)
        directory = followed(world.home)
        response = jsonify(
            status="ok" if working else "no worker",
            worker=working,
            watermark_age=age,
            **({} if directory is None else {"directory": directory}),
        )
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
