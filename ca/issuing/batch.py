"""Bulk: the certificates of many holders, in groups that share their transactions.

A batch was approved by one officer of the centre and is issued by another. Each row is a holder, who gets all the kinds
asked for, or none and the reason. Before anything is signed, the answer to the row (which certificates, or which
problem) is written down together with the holdings and the intents: a batch that broke off goes on with the rows that
have no answer, and what was intended is signed by ``cycle.recover``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from ca.chance import Chance
from ca.errors import BadInput, Conflict, CsrRefused, KakehashiError, LintRefused, NotFound
from ca.issuing import cycle
from ca.issuing.claims import Claim, Claims, Granted
from ca.issuing.cycle import Intended
from ca.issuing.intake import read_csr
from ca.issuing.issuer import Issuers
from ca.issuing.standing import NOBODY, AskedKey, Standing, own_keys, require_keys_apart, standing_of
from ca.model import CertificateKind, MunicipalityCode, Office, Resident
from ca.names import Municipalities
from ca.store import batches, officers
from ca.store.batches import BatchAnswer, BatchRecord

GROUP = 512
"""Rows that share their two commits; a sync of the disk costs about as much as signing fifteen certificates."""

# What is wrong with a row, and so its answer. A key or a store that fails is nobody's answer: the run ends, and goes on
# with the same command once that is mended.
_REFUSALS = (BadInput, Conflict, LintRefused, NotFound)
# Rounds in which nothing could be written; far more often than a holder's standing changes while it is looked at.
_PATIENCE = 8


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One holder of a batch.

    Attributes:
        number: The row's place in what was handed in, from 1.
        holder: The resident's keyed code.
        csrs: A PKCS#10 request for each kind.
    """

    number: int
    resident: Resident = field(repr=False)
    holder: bytes = field(repr=False)
    card_expires: date | None = field(repr=False)
    csrs: tuple[tuple[CertificateKind, bytes], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read: its kinds get the problem for an answer."""

    number: int
    kinds: tuple[CertificateKind, ...]
    problem: KakehashiError


@dataclass(frozen=True, slots=True)
class GroupDone:
    """How many rows of a group were given certificates, refused, or had their answers before; and certificates."""

    issued: int
    refused: int
    known: int
    certificates: int


class BatchIssuer:
    """Issues groups of one batch's rows.

    Args:
        batch: As it was approved.
    """

    def __init__(
        self,
        issuers: Issuers,
        municipalities: Municipalities,
        chance: Chance,
        batch: BatchRecord,
    ) -> None:
        self._stores = issuers.stores
        self._claims = Claims(issuers, municipalities, chance)
        self._municipalities = municipalities
        self._batch = batch
        self._offices: dict[MunicipalityCode, Office] = {}
        self._own_keys = own_keys(issuers.stores)
        self._most_are_known = False

    def issue(self, rows: Sequence[BatchRow | BadRow], at: datetime) -> GroupDone:
        """Answer a group of rows, and sign what it comes to.

        Raises:
            KeyRefused, TokenFailed: A key cannot sign now. What was intended stays, and is signed when it can.
            StorageFailed, HomeBusy: The store refused; whatever was not written down is done again next time.
            Conflict: The standing of the rows' holders changes too often to follow.
        """
        with self._stores.nation.reading() as connection:
            known = batches.answered(connection, self._batch.id, [row.number for row in rows])
        self._claims.begin()
        refusals: list[_Refusal] = []
        waiting: list[_Asked] = []
        for row in rows:
            if row.number not in known:
                try:
                    waiting.append(self._read(row, at))
                except _REFUSALS as error:
                    kinds = row.kinds if isinstance(row, BadRow) else tuple(kind for kind, _ in row.csrs)
                    refusals.append(_Refusal(row.number, kinds, error))
        refused = len(refusals)
        granted: list[_Ready] = []
        patience = _PATIENCE
        # Whether to look before anything is prepared, or only under the lock, which does for new holders.
        look = self._most_are_known
        while waiting or refusals:
            ready, later = self._prepare(waiting, refusals, at, look=look)
            refused = refused + len(waiting) - len(ready) - len(later)
            kept, again = self._write(ready, refusals, at)
            look = True  # whoever is left is known, or comes after somebody of this group
            patience = _PATIENCE if kept or refusals else patience - 1
            if not patience:
                raise Conflict(
                    "batch", "its holders' standing changes again and again", remedy="Run it again"
                )
            granted += kept
            waiting, refusals = [*later, *again], []
        self._most_are_known = 2 * sum(one.standing is not NOBODY for one in granted) > len(granted)
        self._sign(granted, at)
        made = sum(len(one.granted) for one in granted)
        return GroupDone(len(granted), refused, len(known), made)

    def _read(self, row: BatchRow | BadRow, at: datetime) -> _Asked:
        """What a row asks for, its requests checked; raises what is wrong with it."""
        if isinstance(row, BadRow):
            raise row.problem
        place = f"row {row.number}"
        office = self._office(row.resident.municipality, place)
        keys = []
        for kind, csr in row.csrs:
            practice = self._claims.require_age(office, row.resident, kind, at)
            keys.append(AskedKey.of(kind, read_csr(csr, practice.keys.on(at), f"{place}, {kind} request")))
        require_keys_apart(keys, place)
        claim = Claim(
            name=f"batch {self._batch.id[:16]} {place}",
            office=office,
            applicant=row.resident,
            holder=row.holder,
            card_expires=row.card_expires,
            keys=tuple(keys),
            decided_at=self._batch.approved_at,
        )
        return _Asked(row.number, claim)

    def _office(self, town: MunicipalityCode, place: str) -> Office:
        if town not in self._offices:
            try:
                self._municipalities.window(town)
            except NotFound as error:
                # What stood in the row is not repeated.
                raise NotFound(f"{place}, municipality", error.problem, remedy=error.remedy) from None
            with self._stores.nation.reading() as connection:
                self._offices[town] = officers.office(connection, town)
        return self._offices[town]

    def _prepare(
        self, waiting: Sequence[_Asked], refusals: list[_Refusal], at: datetime, *, look: bool
    ) -> tuple[list[_Ready], list[_Asked]]:
        """Prepare what can be; gives it, and the rows of holders or keys that came twice, which have to wait.

        This costs most of the time, so it is done before the writers' lock is taken; ``_write`` looks again.
        """
        standing = NOBODY
        if look:
            with self._stores.reading() as reading:
                standing = standing_of(reading, _holders(waiting), _keys(waiting))
        ready: list[_Ready] = []
        later: list[_Asked] = []
        seen: set[bytes] = set()
        for asked in waiting:
            claim = asked.claim
            mine = {digest for key in claim.keys for digest in key.digests}
            if claim.holder is not None:
                mine.add(claim.holder)
            if mine & seen:
                later.append(asked)
                continue
            seen |= mine
            try:
                for key in claim.keys:
                    place = f"row {asked.number}, {key.kind} request"
                    if not self._own_keys.isdisjoint(key.digests):
                        raise CsrRefused(place, "its key is in another certificate or application")
                    standing.require_new_key(key, place)
                granted = self._claims.prepare(claim, standing, at)
            except _REFUSALS as error:
                refusals.append(_Refusal(asked.number, tuple(key.kind for key in claim.keys), error))
                continue
            ready.append(_Ready(asked, tuple(granted), standing.part(claim.holder, claim.keys)))
        return ready, later

    def _write(
        self, ready: Sequence[_Ready], refusals: Sequence[_Refusal], at: datetime
    ) -> tuple[list[_Ready], list[_Asked]]:
        """Write down answers, holdings and intents; gives what was written, and whose standing has changed."""
        kept: list[_Ready] = []
        again: list[_Asked] = []
        with self._stores.recording() as recording:
            asked = [one.asked for one in ready]
            now = standing_of(recording, _holders(asked), _keys(asked))
            numbers = [*(one.number for one in asked), *(refusal.number for refusal in refusals)]
            # Answered by the end of a run that was thought dead.
            known = batches.answered(recording.nation, self._batch.id, numbers)
            for one in ready:
                claim = one.asked.claim
                if one.asked.number in known:
                    continue
                if now.part(claim.holder, claim.keys) == one.standing:
                    kept.append(one)
                else:
                    again.append(one.asked)
            answers = [answer for one in kept for answer in one.answers()]
            answers += [
                answer for refusal in refusals if refusal.number not in known for answer in refusal.answers()
            ]
            batches.answer(recording.nation, self._batch.id, answers)
            intended = [item for one in kept for item in one.intended()]
            cycle.intend(recording, intended, at, batch=self._batch.id)
        return kept, again

    def _sign(self, granted: Sequence[_Ready], at: datetime) -> None:
        issued = [cycle.sign(item.prepared, at) for one in granted for item in one.granted]
        if issued:
            with self._stores.recording() as recording:
                cycle.complete(recording, issued, at)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row whose requests were checked."""

    number: int
    claim: Claim


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A row that gets nothing, and why."""

    number: int
    kinds: tuple[CertificateKind, ...]
    problem: KakehashiError

    def answers(self) -> list[BatchAnswer]:
        return [BatchAnswer(self.number, kind, None, str(self.problem)) for kind in self.kinds]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A row whose certificates are prepared, and how its holder and keys stood."""

    asked: _Asked
    granted: tuple[Granted, ...]
    standing: Standing

    def answers(self) -> list[BatchAnswer]:
        """The row's answers."""
        return [
            BatchAnswer(self.asked.number, item.holding.kind, item.holding.certificate, None)
            for item in self.granted
        ]

    def intended(self) -> list[Intended]:
        """What is to be written down for the row."""
        return [Intended(item.prepared, item.holding, self.asked.number) for item in self.granted]


def _holders(asked: Iterable[_Asked]) -> list[bytes]:
    return [one.claim.holder for one in asked if one.claim.holder is not None]


def _keys(asked: Iterable[_Asked]) -> list[AskedKey]:
    return [key for one in asked for key in one.claim.keys]
