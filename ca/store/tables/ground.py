"""What all tables share: how moments and octets are kept, and the one metadata."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, MetaData, TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

FOR_EVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The end of a certificate whose end is not known: later than any."""


def microseconds(moment: datetime) -> int:
    """A moment as the databases keep it: whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


class Moment(TypeDecorator[datetime]):
    """An aware moment, kept as whole microseconds since 1970: exact, ordered, the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002
        """To microseconds."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """To a moment in UTC."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Octets(LargeBinary):
    """Octets, handed to the driver as they are; SQLAlchemy would wrap and copy each value."""

    cache_ok = True

    def bind_processor(self, dialect: Any) -> None:
        """None: bytes go in as they are."""

    def result_processor(self, dialect: Any, coltype: Any) -> None:
        """None: bytes come out as they are."""


metadata = MetaData()
