"""What may stand in a certificate as a name or an address, whoever wrote it down.

The register's own characters are kept as they are: what looks alike may be another person's name. Refused is what nobody
can read, and what a reader may show as something else.
"""

from __future__ import annotations

import re
import unicodedata

from ca.errors import BadInput
from ca.model import Applicant, LocalHolder, OfficialPost, Resident

LONGEST_ITEM = 200
"""Characters of a resident's name or address. The profile sets no bound; no register needs as many."""
LONGEST_NAME = 64
"""Characters of an attribute of a distinguished name (RFC 5280 appendix A.1, ub-common-name and its like)."""

_BLANKS = {" ", "\u3000"}
_UNREADABLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs"}
# Ideographs are added here with every Unicode version, and a register has them before Python does.
_IDEOGRAPHIC_PLANES = range(0x20000, 0x3FFFE)
_NONCHARACTERS = {0xFFFE, 0xFFFF}
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FLAGS = re.compile("[01]*")


def require_text(text: str, place: str, most: int = LONGEST_ITEM) -> None:
    """Raise BadInput, which does not show it, unless a text can be read: one line of 1 to ``most`` characters.

    No controls, invisible formats or private-use characters; no character that stands for one that was lost; no mark
    without a letter that it belongs to. Of code points that this Python knows nothing of, those of the ideographs' planes
    are taken (Unicode 3.4; variation selectors are marks and stay).
    """
    if not text.strip():
        raise BadInput(place, "is blank")
    if len(text) > most:
        raise BadInput(place, f"has more than {most} characters")
    if not all(readable(character) for character in text):
        raise BadInput(
            place,
            "has control characters, private-use characters or others that cannot be read",
            remedy="Write it with characters of Unicode; a substitute character has its flag",
        )
    if unicodedata.category(text.lstrip()[0]).startswith("M"):
        raise BadInput(place, "begins with a mark that belongs to no letter")


def require_flags(flags: str, text: str, place: str) -> None:
    """Raise BadInput unless substitute flags are one 0 or 1 for each character of a text."""
    if len(flags) != len(text) or not _FLAGS.fullmatch(flags):
        raise BadInput(place, f"has {len(flags)} flags, not one 0 or 1 for each of {len(text)} characters")


def require_certifiable(applicant: Applicant) -> None:
    """Raise BadInput that names the item unless a certificate can say of an applicant what was written down."""
    match applicant:
        case Resident():
            require_text(applicant.name, "name")
            require_flags(applicant.name_substitutes, applicant.name, "name_substitutes")
            require_text(applicant.address, "address")
            require_flags(applicant.address_substitutes, applicant.address, "address_substitutes")
        case OfficialPost():
            require_text(applicant.ministry, "ministry", LONGEST_NAME)
            require_text(applicant.post, "post", LONGEST_NAME)
        case LocalHolder():
            require_text(applicant.government, "government", LONGEST_NAME)
            require_text(applicant.name, "name", LONGEST_NAME)
            if applicant.unit is not None:
                require_text(applicant.unit, "unit", LONGEST_NAME)


def readable(character: str) -> bool:
    """Whether a character may stand in a name: not whether this machine has a letter for it."""
    category = unicodedata.category(character)
    if category == "Cn":
        point = ord(character)
        return point in _IDEOGRAPHIC_PLANES and point & 0xFFFF not in _NONCHARACTERS
    return character in _BLANKS or (category not in _UNREADABLE and character != _REPLACEMENT)
