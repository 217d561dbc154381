"""The journal's heads: how far it reached, signed and public, so that its past cannot be written anew unseen."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bridge.crossing.plan import Plan
from bridge.manifest import JOURNAL_HEAD, JOURNAL_HEAD_SIGNATURE, JournalHead
from bridge.repository.folder import Repository
from bridge.repository.layout import kept_head_path, kept_head_signature_path
from bridge.repository.signing import require_signed, sign_statement
from ca.errors import BadInput, HomeRefused, KeyRefused
from ca.issuing.issuer import Issuers
from ca.journal.journal import Head, Journal, records


def publish_head(issuers: Issuers, plan: Plan, repository: Repository, *, at: datetime) -> int:
    """Place the signed head of the journal as it is now; gives how many files were written.

    One that says the same, was published in the same hour, and is signed by whoever would sign it now stays. The first
    one of an hour is also kept for ever.

    Raises:
        HomeRefused: The journal is damaged, is behind the head that is public, or is another one.
        KeyRefused: The repository service's key cannot be opened.
    """
    with repository.exclusive():
        journal = issuers.stores.journal
        before, head = published_head(repository), journal.head()
        if before is not None:
            _require_onward(before, head, journal)
        new_hour = before is None or _hour(before.at) != _hour(at)
        if (
            before is not None
            and before.count == head.count
            and not new_hour
            and _fits(issuers, plan, repository)
        ):
            return 0
        said = JournalHead(format=1, world=plan.name, count=head.count, digest=head.digest, at=at)
        content = msgspec.json.encode(said)
        signature = sign_statement(issuers, plan, content, at=at)
        files = [(JOURNAL_HEAD_SIGNATURE, signature), (JOURNAL_HEAD, content)]
        if new_hour and not repository.has(kept_head_path(head.count)):
            files += [
                (kept_head_signature_path(head.count), signature),
                (kept_head_path(head.count), content),
            ]
        # The signature goes first: who reads between the two asks again, but never sees a head that nobody signed.
        written = repository.place(files)
        journal.vouched = (head.count, head.digest)
        return written


def mend_head(issuers: Issuers, plan: Plan, repository: Repository, *, at: datetime) -> int:
    """Publish the head anew if nobody can believe the one that is public; gives how many files were written.

    One is believed that is signed by whoever would sign it now. Before the first one there is nothing to mend.

    Raises:
        HomeRefused: As ``publish_head`` raises; what was published may be the one that is right.
        KeyRefused: The repository service's key cannot be opened.
    """
    with repository.exclusive():
        if not repository.has(JOURNAL_HEAD) or _fits(issuers, plan, repository):
            return 0
    return publish_head(issuers, plan, repository, at=at)


def published_head(repository: Repository) -> JournalHead | None:
    """The head that is public now; None before the first."""
    try:
        return read_head((repository.folder / JOURNAL_HEAD).read_bytes(), JOURNAL_HEAD)
    except FileNotFoundError:
        return None


def read_head(content: bytes, place: str) -> JournalHead:
    """What a head's file says; HomeRefused if it is none."""
    try:
        return msgspec.json.decode(content, type=JournalHead)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HomeRefused(place, "is not the head of a journal") from None


def _fits(issuers: Issuers, plan: Plan, repository: Repository) -> bool:
    """Whether the signature that is public is over the head that is."""
    try:
        said, signature = (
            (repository.folder / path).read_bytes() for path in (JOURNAL_HEAD, JOURNAL_HEAD_SIGNATURE)
        )
        require_signed(issuers, plan, said, signature, JOURNAL_HEAD_SIGNATURE)
    except (OSError, BadInput, KeyRefused):
        return False
    return True


def _require_onward(before: JournalHead, head: Head, journal: Journal) -> None:
    """Raise HomeRefused unless the journal has the record that the public head names, however far it has come since."""
    if before.count > head.count:
        raise HomeRefused(
            "journal",
            f"has {head.count} records; the head that is public since {before.at:%Y-%m-%dT%H:%M:%SZ} names {before.count}",
            remedy="Restore the journal from its other copy; nothing may be removed from it",
        )
    if before.count == head.count:
        digest = head.digest
    elif (before.count, before.digest) == journal.vouched:
        digest = before.digest
    else:
        digest = next(records(journal.folder, before.count)).previous
    if before.digest != digest:
        raise HomeRefused(
            f"journal record {before.count}",
            "is not the one that the public head names",
            remedy="Restore the journal from its other copy; nothing in it may be changed",
        )


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
