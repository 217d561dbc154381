"""What ``kakehashi case file`` is told of the reception: the identity check, the purpose, the card, what is renewed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import click

from ca.errors import BadInput
from ca.model import CertificateId
from ca.rules.identity import Document, Purpose, Reception, SeenDocument

_OPTIONS = (
    click.option(
        "--purpose", type=click.Choice([purpose.value for purpose in Purpose]),
        help="Why somebody applies; new, if other options of the reception are given.",
    ),
    click.option(
        "--document", "documents", multiple=True, metavar="KIND[=DAY]",
        help="A document that the applicant showed, with its last day if it bears one; may be given more than once. "
        f"Kinds: {', '.join(Document)}.",
    ),
    click.option("--card-number", help="The number printed on the card, or on the key medium."),
    click.option(
        "--renews", multiple=True, metavar="CERTIFICATE",
        help="A certificate of a post that is replaced, a resident's are known; may be given more than once.",
    ),
)  # fmt: skip


def reception_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the function gets them as ``read_reception`` takes them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read_reception(
    purpose: str | None, documents: tuple[str, ...], card_number: str | None, renews: tuple[str, ...]
) -> Reception | None:
    """What was written down, or None if nothing was.

    Raises:
        BadInput: A document's kind or day, the card's number or a certificate's id is none.
    """
    if purpose is None and not documents and card_number is None and not renews:
        return None
    return Reception(
        Purpose.NEW if purpose is None else Purpose(purpose),
        tuple(map(_document, documents)),
        card_number,
        tuple(map(CertificateId.parse, renews)),
    )


def _document(item: str) -> SeenDocument:
    word, _, day = item.partition("=")
    try:
        kind = Document(word)
    except ValueError:
        raise BadInput(
            f"--document {word!r}", "is no kind of document", remedy="`kakehashi case file --help` names them"
        ) from None
    try:
        return SeenDocument(kind, date.fromisoformat(day) if day else None)
    except ValueError:  # which day it is is not shown
        raise BadInput(f"--document {kind}", "has a day that is not of the form YYYY-MM-DD") from None
