"""The page on which a holder's certificates end: on request, for a lost card, for a key in strange hands.

The holder is found by the resident code, which is asked for in a form's body and kept nowhere, or from a case. From then
on a certificate's id stands for the holder, who has no name in any address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from typing import Self

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ca.errors import BadInput, Conflict, NotFound
from ca.keys.codes import keyed_code
from ca.model import CertificateId, CertificateKind, OfficeKind, ResidentCode, RevocationReason, Role
from ca.revoking.deciding.at_window import Deed, Prospect, Window, request_number
from ca.revoking.deciding.desk import EventOutcome
from ca.rules.fate import Order
from ca.rules.validity import JST, japanese_day
from ca.store import certificates, holdings
from ca.store.search import HolderCertificate, holder_certificates
from front.assembly import World
from front.looking import Sought, note_holder, note_look_at, noting_refusals, require_patience
from front.pages.forms import Fields, FormRefused, Problem
from front.pages.rendering import page, said
from front.pages.visit import SignedIn, signed_in
from front.problems import TooOften
from front.registration.window_case import shown_held
from front.registration.window_items import read_code

_SINCE = frozenset({Deed.REPORT_COMPROMISE, Deed.REPORT_LOSS, Deed.REPORT_LOSS_BY_TELEPHONE})
"""What happened before it was reported."""


class Effect(StrEnum):
    """What a deed is to a certificate. The value is the word in texts, in the order in which they are shown."""

    ENDS = "ends"
    HOLDS = "holds"
    LIFTS = "lifts"

    @classmethod
    def of(cls, order: Order) -> Self:
        """What an order is."""
        return cls(_EFFECTS.get(order.reason, "ends"))


_EFFECTS = {RevocationReason.CERTIFICATE_HOLD: "holds", RevocationReason.REMOVE_FROM_CRL: "lifts"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A deed that would change something.

    Attributes:
        effects: What it would be to which kinds of the certificates, in the order in which they are shown.
        problem: What the centre would have to decide, if anything.
    """

    deed: Deed
    effects: tuple[tuple[Effect, tuple[CertificateKind, ...]], ...]
    problem: str | None = field(default=None, repr=False)


def add_requests(blueprint: Blueprint, world: World) -> None:
    """``/requests`` and the page of a holder below it."""

    @blueprint.get("/requests")
    def ask_holder() -> Response:
        """Whose certificates?"""
        _at_window()
        return page("registration/requests.html", problems={}, told=_told())

    @blueprint.post("/requests")
    def find_holder() -> AnyResponse:
        """Find the holder of a resident code who has certificates of this window. Whoever finds nobody has looked, too."""
        who, fields = _at_window(), Fields(request.form)
        code = read_code(fields)
        try:
            fields.settle()
            assert code is not None, "a code that is missing is a problem"
            _require_patience(world, who)
            chosen = _found(world, who, code)
        except FormRefused as error:
            return page("registration/requests.html", status=422, problems=said(error.problems), told=None)
        return redirect(f"/requests/{chosen}", 303)

    @blueprint.get("/requests/<certificate>")
    def show_holder(certificate: str) -> Response:
        """What the holder of this certificate has, and what may be done with it."""
        who = _at_window()
        holder = _holder_of(world, who, certificate)
        note_look_at(world, who.officer, certificate)
        return _holder_page(world, who, holder, certificate)

    @blueprint.post("/requests/<certificate>")
    def end_for_holder(certificate: str) -> AnyResponse:
        """Do what the holder asks for. The form carries a number, so that it is done once however often it is sent."""
        who, at = _at_window(), world.clock()
        holder = _holder_of(world, who, certificate)
        fields = Fields(request.form)
        deed = fields.choice("deed", Deed)
        since = fields.day("occurred", required=False) if deed in _SINCE else None
        if since is not None and since > japanese_day(at):
            fields.refuse("occurred", "registration.request.future")
        try:
            fields.settle()
            assert deed is not None, "a deed that is missing is a problem"
            outcome = _end(
                world, who, holder, deed, None if since is None else datetime.combine(since, time(), JST)
            )
        except FormRefused as error:
            return _holder_page(world, who, holder, certificate, error.problems)
        # With its last certificate of this window a holder may be another window's.
        there = f"/requests/{certificate}" if _is_theirs(world, who, holder) else "/requests"
        return redirect(f"{there}?done={deed}&outcome={outcome.name.lower()}", 303)


def _at_window() -> SignedIn:
    """The officer, who has to be one that receives residents at a window."""
    who = signed_in(Role.RECEPTION)
    if who.office.kind is not OfficeKind.WINDOW:
        raise BadInput(f"office {who.office.id}", "is not a window", remedy="Holders come to a window")
    return who


def _require_patience(world: World, who: SignedIn) -> None:
    """Raise FormRefused if this officer has looked somebody up too often in the last while."""
    try:
        with noting_refusals(world, who.officer, Sought.HOLDER):
            require_patience(world, who.officer)
    except TooOften:
        raise FormRefused((Problem("code", "registration.request.too_often"),)) from None


def _found(world: World, who: SignedIn, code: ResidentCode) -> CertificateId:
    """A certificate of the holder of a code; FormRefused if there is none, or not of this window. Either is written down."""
    holder = keyed_code(world.issuers.vault.code_key(), code)
    held: Sequence[HolderCertificate] = ()
    if _is_theirs(world, who, holder):
        with world.stores.reading() as reading:
            held = holder_certificates(reading, holder)
    note_holder(world, who.officer, held[0].certificate if held else None)
    if not held:
        raise FormRefused((Problem("code", "registration.request.nobody"),))
    return held[0].certificate


def _is_theirs(world: World, who: SignedIn, holder: bytes) -> bool:
    """Whether a holder is of this window's municipality."""
    try:
        _look(world, who, holder, Deed.REPORT_LOSS)
    except NotFound:
        return False
    return True


def _holder_of(world: World, who: SignedIn, certificate: str) -> bytes:
    """The holder of a certificate, if this window knows the holder; NotFound else, whether there is such a certificate or not."""
    unknown = NotFound("certificate", "is not held by a resident of this window")
    wanted = CertificateId.parse(certificate)
    with world.stores.reading() as reading:
        try:
            record = certificates.find(reading.of(wanted.generation.authority), wanted)
        except NotFound:
            raise unknown from None
        holding = holdings.with_keys(reading.nation, [record.subject_key]).get(record.subject_key)
    if holding is None or holding.holder is None or not _is_theirs(world, who, holding.holder):
        raise unknown
    return holding.holder


def _look(world: World, who: SignedIn, holder: bytes, deed: Deed) -> Prospect:
    return Window(world.events).look(deed, holder, who.officer.id, at=world.clock())


def _offers(world: World, who: SignedIn, holder: bytes, held: Sequence[HolderCertificate]) -> list[Offer]:
    """The deeds that would change something now."""
    # An end may still be raised to a compromise: ended ones count too.
    kinds = {each.certificate: each.kind for each in held}
    found = []
    for deed in Deed:
        try:
            prospect = _look(world, who, holder, deed)
        except Conflict:
            continue
        touched = {(Effect.of(order), kinds[order.certificate]) for order in prospect.orders}
        if touched or prospect.problem:
            effects = {
                effect: tuple(kind for kind in CertificateKind if (effect, kind) in touched)
                for effect in Effect
            }
            found.append(
                Offer(
                    deed, tuple((effect, each) for effect, each in effects.items() if each), prospect.problem
                )
            )
    return found


def _end(world: World, who: SignedIn, holder: bytes, deed: Deed, occurred: datetime | None) -> EventOutcome:
    number, at = request.form.get("number", ""), world.clock()
    desk = Window(world.events)
    return desk.end(deed, holder, who.officer.id, number=number, at=at, occurred=occurred).outcome


def _told() -> tuple[Deed, EventOutcome] | None:
    """What came of the deed that the officer comes from, if the address says so."""
    done, outcome = request.args.get("done"), request.args.get("outcome", "").upper()
    if done not in set(Deed) or outcome not in EventOutcome.__members__:
        return None
    return Deed(done), EventOutcome[outcome]


def _holder_page(
    world: World, who: SignedIn, holder: bytes, certificate: str, problems: tuple[Problem, ...] = ()
) -> Response:
    at = world.clock()
    with world.stores.reading() as reading:
        held = holder_certificates(reading, holder)
    return page(
        "registration/holder.html",
        status=422 if problems else 200,
        certificate=certificate,
        held=shown_held(held, at),
        offers=_offers(world, who, holder, held),
        since=_SINCE,
        number=request.form.get("number") or request_number(world.chance, who.officer.id, at),
        told=_told(),
        typed=request.form.to_dict(),
        problems=said(problems),
    )
