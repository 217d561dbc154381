"""What is asked once, when something begins to serve a production world: may its keys still be used?

Single commands are not asked: what their keys may not sign is refused signature by signature, and one of them makes an
authority's next key.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bridge.manifest import Marking
from ca.errors import SuiteRetired
from ca.rules.generations import State
from ca.store import authorities, key_lives
from ca.store.engine import Store
from ca.suites import Use, require


def require_in_force(marking: Marking, stores: Iterable[Store], at: datetime) -> None:
    """Raise SuiteRetired if an authority of a production world signs with a key that may not even sign its lists now.

    Between the end of a suite's signing and the end of its lists and answers a world is served: those are still given.
    """
    if marking is not Marking.PRODUCTION:  # a test world may run at any time, to try out what is over
        return
    for store in stores:
        with store.reading() as connection:
            active = key_lives.standing(connection, {State.ACTIVE})
            for record in authorities.all_generations(connection):
                if record.id in active:
                    _require(record, at)


def _require(record: authorities.GenerationRecord, at: datetime) -> None:
    try:
        require(record.suite, Use.SIGN_STATUS, at)
    except SuiteRetired as retired:
        raise SuiteRetired(
            f"authority {record.id.authority}",
            f"its suite {record.suite.id} {retired.problem}",
            clause="NIST SP 800-131A 3",
            remedy="Make it a key of another suite first (`kakehashi key step`)",
        ) from None
