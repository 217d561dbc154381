"""What an office is called on a page: in the visitor's language, as the edition and the table of municipalities have it."""

from __future__ import annotations

from flask import Flask, current_app

from bridge.crossing.plan import Plan
from ca.model import Office
from front.pages.texts import Language
from front.pages.visit import language

_EXTENSION = "kakehashi.office-names"


def call_offices(app: Flask, plan: Plan) -> None:
    """Let the application's pages know what this plan's offices are called; without it they are called as the store has it."""
    app.extensions[_EXTENSION] = plan.office_names


def called(office: Office, spoken: Language | None = None) -> str:
    """The office's name in a language, the visitor's if none is given."""
    names = current_app.extensions.get(_EXTENSION, {}).get(office.id)
    if names is None:
        return office.name
    name: str = names.japanese if (spoken or language()) is Language.JAPANESE else names.english
    return name


def every_name(office: Office) -> tuple[str, ...]:
    """All that somebody who looks for the office may call it."""
    return office.name, *(called(office, spoken) for spoken in Language)
