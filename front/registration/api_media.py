"""The machine interface of key media: what a local government's sub-office does with the cards that it answers for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from ca.model import OfficeId
from ca.revoking.deciding import custody
from ca.rules.custody import Medium, MediumState, MediumStep
from ca.store import media
from front.receipts import record_receipt_fields
from front.registration.answers import Receipt
from front.registration.operations import Call, Operation

_SUBJECT = "media"
_Number = Annotated[str, msgspec.Meta(max_length=40)]
_Note = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class NewMedium(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A medium that is registered.

    Attributes:
        medium: The number printed on it.
    """

    medium: _Number


class Assignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a medium is for.

    Attributes:
        case: The case whose keys are made in it.
    """

    case: Annotated[str, msgspec.Meta(max_length=60)]


class MediumNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an office notes with a step."""

    note: _Note | None = None


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a medium is lost.

    Attributes:
        since: Since when it has been missing, if that is known.
        note: What was told.
    """

    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    note: _Note | None = None


class MediumAnswer(msgspec.Struct, frozen=True):
    """A key medium.

    Attributes:
        medium: The number printed on it.
        case: The newest case that it was given to.
        steps: The last step comes last.
    """

    medium: str
    office: OfficeId
    state: MediumState
    case: str | None
    steps: tuple[MediumStep, ...]

    @classmethod
    def of(cls, medium: Medium) -> MediumAnswer:
        """From the store."""
        assert medium.state is not None, "what is written down was registered"
        return cls(
            medium.id, medium.office, medium.state, medium.case, tuple(taken.step for taken in medium.history)
        )


class LostAnswer(msgspec.Struct, frozen=True):
    """A key medium that was lost.

    Attributes:
        ended: The ids of the certificates that ended by it.
        rejected: The number of the case that was under way.
        receipt: For what ended; null if nothing did.
    """

    medium: MediumAnswer
    ended: tuple[str, ...]
    rejected: str | None
    receipt: Receipt | None


class AfterMedium(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page of the media.

    Attributes:
        after: What the page before ended with; none for the first.
    """

    after: _Number | None = None


class MediaAnswer(msgspec.Struct, frozen=True):
    """Some key media of an office by number, 100 at most.

    Attributes:
        after: What the next page is asked for with; null at the end.
    """

    media: tuple[MediumAnswer, ...]
    after: str | None


def _list(call: Call[AfterMedium]) -> MediaAnswer:
    _, office = call.person()
    with call.world.stores.nation.reading() as connection:
        found = media.of_office(connection, office.id, after=call.sent.after)
    return MediaAnswer(tuple(map(MediumAnswer.of, found.media)), found.after)


def _register(call: Call[NewMedium]) -> MediumAnswer:
    world = call.world
    return MediumAnswer.of(custody.register(world.stores, call.sent.medium, call.officer, at=world.clock()))


def _assign(call: Call[Assignment]) -> MediumAnswer:
    world, medium = call.world, call.places["medium"]
    return MediumAnswer.of(
        custody.assign(world.stores, medium, call.sent.case, call.officer, at=world.clock())
    )


def _take_back(call: Call[MediumNote]) -> MediumAnswer:
    world, medium = call.world, call.places["medium"]
    at, note = world.clock(), call.sent.note
    return MediumAnswer.of(custody.take_back(world.stores, medium, call.officer, at=at, note=note))


def _destroy(call: Call[MediumNote]) -> MediumAnswer:
    world, medium = call.world, call.places["medium"]
    at, note = world.clock(), call.sent.note
    return MediumAnswer.of(custody.destroy(world.stores, medium, call.officer, at=at, note=note))


def _lose(call: Call[Loss]) -> LostAnswer:
    world, loss, at = call.world, call.sent, call.world.clock()
    lost = custody.report_lost(
        world.stores, call.places["medium"], call.officer, at=at, since=loss.since, note=loss.note
    )
    receipt = None if lost.head is None else record_receipt_fields(world, lost.head.count)
    return LostAnswer(
        MediumAnswer.of(lost.medium), tuple(map(str, lost.ended)), lost.rejected, Receipt.of(receipt)
    )


MEDIA: tuple[Operation[Any], ...] = (
    Operation("media", "GET", "/media", "The key media of the caller's office, by number.",
        _list, AfterMedium, MediaAnswer, _SUBJECT),
    Operation("register_medium", "POST", "/media", "Make a medium known, for which the caller's office answers.",
        _register, NewMedium, MediumAnswer, _SUBJECT, statuses=(201,)),
    Operation("assign_medium", "POST", "/media/{medium}/assignment", "Give it to a case; the same again changes nothing.",
        _assign, Assignment, MediumAnswer, _SUBJECT),
    Operation("take_back_medium", "POST", "/media/{medium}/return", "It has come back.",
        _take_back, MediumNote, MediumAnswer, _SUBJECT, body_needed=False),
    Operation("lose_medium", "POST", "/media/{medium}/loss", "It is lost: what lies in it ends as compromised.",
        _lose, Loss, LostAnswer, _SUBJECT, body_needed=False),
    Operation("destroy_medium", "POST", "/media/{medium}/destruction", "It is destroyed, and holds no good certificate's key.",
        _destroy, MediumNote, MediumAnswer, _SUBJECT, body_needed=False),
)  # fmt: skip
"""The operations of key media."""
