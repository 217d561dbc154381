"""What tests make small worlds from: an edition of three prefectures, its people, and their requests."""

import json
import re
import tomllib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ca.chance import SeededChance
from ca.keys import pool

JAPAN_2014 = Path(__file__).parent.parent / "bridge" / "editions" / "japan-2014.toml"
PREFECTURES = ("13", "31", "33")
"""Tokyo (special wards), Tottori (the fewest towns), Okayama (a designated city of four wards)."""
LISTS = 235
"""How many lists the small world has: two for each of its six authorities, one a kind and window, one for posts."""
SEED = 7
TOKYO = "131016"
"""Chiyoda-ku, where the people of the tests live."""

OFFICERS = {
    "sato": (TOKYO, "reception"),
    "suzuki": (TOKYO, "examiner"),
    "tanaka": ("centre", "approver"),
    "ito": ("centre", "operator"),
    "mori": ("ministry-1", "reception"),
}

HANAKO = {
    "code": "12345678903",
    "name": "試験\u3000花子",
    "sex": "female",
    "birth_date": "1985-04-01",
    "address": "東京都千代田区試験町1-2-3",
    "municipality": TOKYO,
}
"""An invented resident; the code is no real person's."""

POST = {"ministry": "Ministry of Examples", "post": "Minister of Examples"}


def small_edition() -> str:
    """The text of japan-2014 for three prefectures, under the name ``small``."""
    text = JAPAN_2014.read_text(encoding="utf-8")
    codes = ", ".join(f'"{code}"' for code in PREFECTURES)
    text = replaced(text, r"(?s)codes = \[.*?\n\]", f"codes = [{codes}]")
    text = replaced(text, r"nation = true", "nation = false")
    text = replaced(text, r'name = "japan-2014"', 'name = "small"')
    assert tomllib.loads(text)["prefectures"]["codes"] == list(PREFECTURES)
    return text


def replaced(text: str, pattern: str, by: str) -> str:
    """The text with the first match of the pattern replaced; a pattern that is not there fails the test."""
    found, count = re.subn(pattern, lambda _: by, text, count=1)
    assert count == 1, f"{pattern} is not in the text"
    return found


def holder_key(index: int, seed: int = SEED):
    """A public test key that the small world of this seed does not use itself; index from 0 to 99."""
    return pool.public_test_key(pool.order(SeededChance(seed))[-1 - index])


def request(key, digest=None) -> bytes:
    """A PKCS#10 request in PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, digest or hashes.SHA256()).public_bytes(Encoding.PEM)


def write_json(path: Path, content) -> Path:
    """A JSON file."""
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path
