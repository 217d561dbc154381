"""What every answer of a page carries, and what a request has to show before it changes anything.

A form is believed when the browser says that it comes from here (Sec-Fetch-Site, Origin) and it carries the session's
token. Nothing of a page is kept by caches, shown in a frame, or runs a script that is not ours.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import Response, request

from ca.errors import NotPermitted
from front.pages.visit import visitor

FORM_TOKEN = "form_token"  # noqa: S105 - a field's name
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "Referrer-Policy": "same-origin",  # or Chromium says Origin: null of every form (Fetch 3.1)
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def require_own_form() -> None:
    """Raise NotPermitted unless a request that changes something comes from a page of ours, of this very session.

    A page that works before anybody is signed in has no token yet; the browser's word about the origin must do.
    """
    if request.method not in _CHANGES:
        return
    require_own_origin()
    found = visitor()
    if found is not None:
        sent = request.form.get(FORM_TOKEN) or request.headers.get("X-Form-Token") or ""
        if not hmac.compare_digest(sent.encode(), found.form_token.encode()):
            raise NotPermitted(
                "form", "was not made in this session", remedy="Open the page anew and send it again"
            )


def require_own_origin() -> None:
    """Raise NotPermitted if the browser says that another site sends the request, or if it says nothing at all."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and origin is None:
        raise NotPermitted("form", "does not say where it comes from", remedy="Use a current browser")
    strange = site is not None and site != "same-origin"
    if origin is not None:
        parts = urlsplit(origin)
        # A TLS front may speak http to us, but no page of ours under TLS sends to one without.
        strange = strange or parts.netloc != request.host or (parts.scheme == "http" and request.is_secure)
    if strange:
        raise NotPermitted("form", "was sent by another site", remedy="Open the page anew and send it again")


def protect(response: Response) -> Response:
    """The response with the headers of a page."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # setdefault: an asset says for itself how long it may be kept.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
