"""GnuTLS: ``gnutls_x509_trust_list_verify_crt2``, handed the drawn path.

The library itself is asked, since its command line cannot be told the moment. It knows no policies, so it is told to
ignore critical extensions that it does not know; and of lists it keeps one an issuer's name, so it is given none.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from asn1crypto import pem

from tests.cases.judging import Verdict
from tests.cases.world import BuiltCase
from tests.components import require

_PEM = 1
IGNORE_UNKNOWN_CRITICAL = 1 << 14  # gnutls_certificate_verify_flags
_STATUS = {
    5: "revoked",
    6: "signer not found",
    7: "signer is no CA",
    8: "insecure algorithm",
    9: "not activated",
    10: "expired",
    11: "signature failure",
    12: "revocation data superseded",
    15: "revocation data issued in future",
    16: "signer constraints failure",
    18: "purpose mismatch",
    21: "unknown critical extensions",
    1: "invalid",
}
"""gnutls_certificate_status_t, by bit; that it is invalid is said only where nothing else is."""


class _Datum(ctypes.Structure):
    _fields_ = (("data", ctypes.c_char_p), ("size", ctypes.c_uint))


class Gnutls:
    """The library."""

    def judge(self, cases: Sequence[BuiltCase], workspace: Path) -> Mapping[str, Verdict]:  # noqa: ARG002 - needs no files
        """Each case by itself, at its own moment."""
        return {one.case.id: verdict(one) for one in cases}

    def version(self) -> str:
        """As it says itself."""
        return f"GnuTLS {_library().gnutls_check_version(None).decode()}"


def verdict(built: BuiltCase, *, lists: bool = False, flags: int = IGNORE_UNKNOWN_CRITICAL) -> Verdict:
    """What it says of the drawn path; with ``lists`` it is given those too."""
    library = _library()
    trusted, chain, count = ctypes.c_void_p(), ctypes.POINTER(ctypes.c_void_p)(), ctypes.c_uint()
    moment = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(lambda _: int(built.at.timestamp()))
    library.gnutls_global_set_time_function(moment)
    assert library.gnutls_x509_trust_list_init(ctypes.byref(trusted), 0) == 0
    try:
        anchors = _datum("CERTIFICATE", [one.der for one in built.anchors])
        handed = _datum("X509 CRL", [one.der for one in built.newest_lists()] if lists else [])
        added = library.gnutls_x509_trust_list_add_trust_mem(
            trusted, ctypes.byref(anchors), ctypes.byref(handed) if lists else None, _PEM, 0, 0
        )
        if added < 0:
            return _unreadable(added)
        path = _datum("CERTIFICATE", [one.der for one in reversed(built.path)])
        read = library.gnutls_x509_crt_list_import2(
            ctypes.byref(chain), ctypes.byref(count), ctypes.byref(path), _PEM, 0
        )
        if read < 0:
            return _unreadable(read)
        status = ctypes.c_uint()
        done = library.gnutls_x509_trust_list_verify_crt2(
            trusted, chain, count, None, 0, flags, ctypes.byref(status), None
        )
        return _unreadable(done) if done < 0 else _read(status.value)
    finally:
        for number in range(count.value):
            library.gnutls_x509_crt_deinit(ctypes.c_void_p(chain[number]))
        library.gnutls_x509_trust_list_deinit(trusted, 1)
        library.gnutls_global_set_time_function(ctypes.cast(library.time, ctypes.c_void_p))


def _read(status: int) -> Verdict:
    words = ", ".join(word for bit, word in _STATUS.items() if status >> bit & 1 and (bit > 1 or status == 2))
    assert words or not status, f"status {status:#x}"
    return Verdict(not status, words or "verified")


def _unreadable(error: int) -> Verdict:
    return Verdict(valid=False, word=_library().gnutls_strerror_name(error).decode())


def _datum(label: str, contents: Sequence[bytes]) -> _Datum:
    octets = b"".join(pem.armor(label, one) for one in contents)
    return _Datum(octets, len(octets))


@cache
def _library() -> Any:
    library = ctypes.CDLL(str(require("gnutls")))
    library.gnutls_strerror_name.restype = ctypes.c_char_p
    library.gnutls_check_version.restype = ctypes.c_char_p
    library.gnutls_x509_trust_list_deinit.argtypes = (ctypes.c_void_p, ctypes.c_uint)
    return library
