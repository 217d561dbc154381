"""Who is behind a request: found out by the cookie, before any page begins."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress

from flask import g, request
from werkzeug.wrappers import Response

from ca.errors import HomeBusy, NotPermitted
from ca.store import officers, sessions
from ca.store.sessions import Session
from front.assembly import World
from front.pages.visit import NotSignedIn, SignedIn
from front.signing_in import asked
from front.signing_in.terms import terms_of

COOKIE = "__Host-session"
"""Browsers take a cookie of this prefix only if it is secure, for this host alone and for all of it (RFC 6265bis)."""

_SEEN_EVERY = 15
"""A session's last use is written down once in a fifteenth of the time for which it may be left alone."""
_UNASKED = frozenset({"pages.serve_asset"})


def load(world: World) -> Callable[[], None]:
    """What finds out who is behind a request; for ``Flask.before_request``.

    An officer who has left, or whose office is suspended, is signed in no more from the next request on.
    """
    terms = terms_of(world)
    store = world.stores.nation

    def load_visitor() -> None:
        token = request.cookies.get(COOKIE)
        if token is None or request.endpoint in _UNASKED:
            return
        at = world.clock()
        with store.reading() as connection:
            session = sessions.find(connection, asked.digest_of(token), at=at, idle=terms.idle)
            if session is None:
                return
            try:
                officer, office = officers.officer(connection, session.officer)
            except NotPermitted:
                return
        if at - session.seen_at >= terms.idle / _SEEN_EVERY:
            # Who only reads does not wait for a writer's sake: a session that is not marked is idle a little sooner.
            with suppress(HomeBusy), store.noting() as connection:
                sessions.seen(connection, session.digest, at)
        g.signed_in = SignedIn(officer, office, _form_token(token))
        g.session = session

    return load_visitor


def session() -> Session:
    """The session behind this request, or NotSignedIn."""
    found: Session | None = g.get("session")
    if found is None:
        raise NotSignedIn("session", "nobody is signed in", remedy="Sign in with a passkey")
    return found


def token() -> str | None:
    """What the browser shows, a session's or not."""
    return request.cookies.get(COOKIE)


def show(response: Response, value: str) -> None:
    """Have the browser show this from now on, until it is closed."""
    response.set_cookie(COOKIE, value, path="/", secure=True, httponly=True, samesite="Strict")


def show_no_more(response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")


def _form_token(value: str) -> str:
    # Whoever can read a form has not the session by it.
    return hmac.digest(value.encode("utf-8", "surrogatepass"), b"kakehashi form", hashlib.sha256).hex()
