"""What officers do at their desks in a browser: make colleagues known, receive applications, take steps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ca.model import CertificateKind
from tests.browser import Browser, Desk, expect
from tests.offices_world import FIRST, OFFICERS, PERSON, Offices


@dataclass
class Staff:
    """Officers at their desks: made known and enrolled when they are first asked for.

    ``staff("sato")`` is that officer's desk.
    """

    browser: Browser
    world: Offices
    desks: dict[str, Desk] = field(default_factory=dict)

    def __call__(self, officer: str) -> Desk:
        if officer not in self.desks:
            code = self._code(officer)
            self.desks[officer] = Desk(self.browser, self.world.origin)
            self.desks[officer].enrol(code)
        return self.desks[officer]

    def _code(self, officer: str) -> str:
        if officer == FIRST:
            self.world.add(FIRST)
            return self.world.first_code()
        return made_on_the_pages(self(FIRST), officer)


@contextmanager
def staff_of(browser: Browser, world: Offices) -> Iterator[Staff]:
    """The staff of a served world; at the end no browser may have complained."""
    staff = Staff(browser, world)
    yield staff
    for desk in staff.desks.values():
        desk.close()


def made_on_the_pages(operator: Desk, officer: str) -> str:
    """Have an operator make an officer known; gives the code that the page shows, once."""
    office, role, name = OFFICERS[officer]
    operator.go(f"/centre/offices/{office}/officers/new")
    operator.write("name", name)
    operator.write("id", officer)
    operator.page.locator(f'input[name=roles][value="{role}"]').check()
    operator.send(f"/centre/offices/{office}/officers")
    operator.at(f"/centre/officers/{officer}")
    operator.send(f"/centre/officers/{officer}/code")
    code = operator.page.locator(".code-shown").inner_text()
    operator.go(f"/centre/officers/{officer}")
    assert code not in operator.read()
    return code


def file_resident(desk: Desk, requests: dict[CertificateKind, Path]) -> str:
    """Receive a resident's application as a person does it; gives the case."""
    desk.go("/cases/new")
    page = desk.page
    page.locator('input[name="document-driving-licence"]').check(force=True)
    page.locator('input[name="ends-driving-licence"]').fill(PERSON["licence"])
    desk.write("code", PERSON["code"][:-1] + str((int(PERSON["code"][-1]) + 1) % 10))
    expect(desk.problem("code")).not_to_be_empty()  # while one types
    desk.write("code", PERSON["code"])
    expect(desk.problem("code")).to_be_empty()
    desk.write("birth_date", PERSON["birth_date"])
    desk.write("name", PERSON["name"])
    page.locator("input[name=sex] >> nth=1").check(force=True)
    page.locator("input[name=address]").press_sequentially(PERSON["address"])
    desk.write("card_number", PERSON["card_number"])
    page.locator("input[name=card_expires]").fill(PERSON["card_expires"])
    for kind, path in requests.items():
        page.locator(f'input[name="csr-{kind}"][type=file]').set_input_files(path)
    desk.send("/cases/new")
    page.wait_for_url(re.compile(r"/cases/[0-9]+-[0-9]+"))
    return page.url.partition("?")[0].rpartition("/")[2]


def file_post(desk: Desk, request: Path, medium: str) -> str:
    """Receive the application of a local government's post."""
    desk.go("/local/media")
    desk.write("medium", medium)
    desk.send("/local/media")
    desk.go("/local/cases/new")
    desk.write("unit", "総務部総務課")
    desk.write("name", "架け橋市長")
    desk.page.locator("input[name=kind][value=lg-post]").check(force=True)
    desk.write("medium", medium.lower())
    desk.page.locator("input[name=csr][type=file]").set_input_files(request)
    desk.send("/local/cases/new")
    desk.page.wait_for_url(re.compile(r"/local/cases/local"))
    return desk.page.url.rpartition("/")[2]


def take(desk: Desk, path: str, step: str) -> None:
    """Open a case, and press the button of a step."""
    desk.go(path)
    desk.send(f"{path}/{step}")


def saved(desk: Desk, name: str, folder: Path) -> Path:
    """A file of the case that is open."""
    with desk.page.expect_download() as found:
        desk.page.locator(f'a[href$="/{name}"]').click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path
