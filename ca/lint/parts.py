"""What several rules look at alike: names, moments, suites, identifiers, addresses of services."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType

from ca.errors import SuiteRetired
from ca.names import Attribute, DirectoryName
from ca.suites import SUITES, Suite, Use, require

UPPER_BOUNDS: Mapping[Attribute, int] = MappingProxyType(
    {Attribute.O: 64, Attribute.OU: 64, Attribute.L: 128, Attribute.CN: 64}
)
"""Characters that an attribute may have (RFC 5280 appendix A.1, ub-organization-name and its like)."""

_ZERO = timedelta(0)
_COUNTRY = re.compile(r"[A-Z]{2}")
# Control characters, what UTF-8 cannot carry, and the two code points that are never characters.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_OID = re.compile(r"(?:[01]\.[1-3]?[0-9]|2\.(?:0|[1-9][0-9]*))(?:\.(?:0|[1-9][0-9]*))*", re.ASCII)
_HTTP = re.compile(r"http://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-~]*)?")


def wrong_countries(place: str, name: DirectoryName) -> Iterator[str]:
    """Countries that are not two capital letters, which PrintableString has."""
    for attribute, value in name.steps:
        if attribute is Attribute.C and not _COUNTRY.fullmatch(value):
            yield f"the country of {place} is not two capital letters"


def wrong_lengths(place: str, name: DirectoryName) -> Iterator[str]:
    """Attributes that are empty or longer than their upper bound; a country's length is another rule's."""
    for attribute, value in name.steps:
        if attribute is not Attribute.C and not 0 < len(value) <= UPPER_BOUNDS[attribute]:
            yield f"{attribute} of {place} has {len(value)} characters, not 1 to {UPPER_BOUNDS[attribute]}"


def unfit_values(place: str, name: DirectoryName) -> Iterator[str]:
    """Attributes with text that no UTF8String of a name should hold."""
    for attribute, value in name.steps:
        if attribute is not Attribute.C and is_unfit(value):
            yield f"{attribute} of {place} holds a control character or what UTF-8 cannot carry"


def is_unfit(text: str) -> bool:
    """Whether the text holds control characters, or code points that UTF-8 cannot carry."""
    return _UNFIT.search(text) is not None


def wrong_moment(place: str, moment: datetime) -> Iterator[str]:
    """A moment that is not in UTC to the second (RFC 5280 4.1.2.5: in GMT, seconds included, no fractions)."""
    if moment.utcoffset() != _ZERO:
        yield f"{place} is not in UTC"
    if moment.microsecond:
        yield f"{place} has a fraction of a second"


def instant(moment: datetime) -> datetime:
    """The moment made comparable: one without a zone, which another rule finds, is taken as UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def altered_suite(suite: Suite) -> Iterator[str]:
    """A suite that is not, value for value, one of the product's."""
    if SUITES.get(suite.id) != suite:
        yield f"suite {suite.id} is not one of ca.suites, or differs from it"


def retired_suite(suite: Suite, use: Use, at: datetime) -> Iterator[str]:
    """A suite that may not be used so at this moment."""
    moment = instant(at)
    if moment <= suite.until(use):
        return
    try:
        require(suite, use, moment)
    except SuiteRetired as retired:
        yield str(retired)


@lru_cache(maxsize=1024)  # few, and in every certificate
def is_oid(text: str) -> bool:
    """Whether this is a dotted object identifier that BER can carry (X.660: the first arc is 0, 1 or 2)."""
    return len(text) <= 200 and _OID.fullmatch(text) is not None


def is_plain_http(url: str) -> bool:
    """Whether this is an http URL with a host, in the characters of an IA5String, at most 255 of them."""
    return len(url) <= 255 and _HTTP.fullmatch(url) is not None
