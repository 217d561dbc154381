"""Who is behind a request, and in which language the answer is."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import g, request

from ca.errors import KakehashiError, NotPermitted
from ca.model import Office, OfficeKind, Officer, Role
from front.pages.texts import Language

LANGUAGE_COOKIE = "language"


class NotSignedIn(KakehashiError):
    """A page that only officers see, asked for by nobody."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An officer who is signed in.

    Attributes:
        form_token: What every form of this session carries, so that no other site can send one: an HMAC under the
            session's own secret.
    """

    officer: Officer
    office: Office
    form_token: str = field(repr=False)

    @property
    def of_centre(self) -> bool:
        """Whether the officer sees every office."""
        return self.office.kind is OfficeKind.CENTRE


def visitor() -> SignedIn | None:
    """Who is behind this request, if anybody is signed in. ``signing_in`` has found it out before the page begins."""
    found: SignedIn | None = g.get("signed_in")
    return found


def signed_in(*roles: Role) -> SignedIn:
    """The officer behind this request, who has to have one of these roles if any are named.

    Raises:
        NotSignedIn: Nobody is signed in; the guard leads to the sign-in page and back.
        NotPermitted: The officer has none of the roles.
    """
    found = visitor()
    if found is None:
        raise NotSignedIn("session", "nobody is signed in", remedy="Sign in with a passkey")
    if roles and not found.officer.roles & set(roles):
        raise NotPermitted(
            "page", f"is for the roles {', '.join(roles)}", remedy="An authority operator gives roles"
        )
    return found


def language() -> Language:
    """The language that the visitor chose, or the browser asks for; Japanese if neither is known."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in set(Language):
        return Language(chosen)
    wanted = request.accept_languages.best_match([str(each) for each in Language])
    return Language(wanted) if wanted else Language.JAPANESE


def wants_page() -> bool:
    """Whether the visitor would rather read a page than a problem document: a browser that asks for an address."""
    return request.accept_mimetypes.best_match(["application/problem+json", "text/html"]) == "text/html"


def inside(path: str) -> str:
    """A path of these pages, whatever a link or a form says: nobody is led elsewhere. What is none is the first page."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain else "/"
