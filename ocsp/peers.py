"""The other end of a connection: its address, and the client certificate that a TLS front passes on.

The front is a web server such as nginx, which ends TLS and has the client prove that it has its certificate's key. What
it says is believed because of where it comes from: from any other address the header is nothing but a client's claim.
"""

from __future__ import annotations

import binascii
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from ca.errors import BadInput
from ca.wire.facts import CERTIFICATE_LIMIT

HEADER = "ClientCertificate"
"""What the front writes nginx's ``$ssl_client_escaped_cert`` into: PEM, escaped as in a URL.

Without a hyphen on purpose. WSGI writes hyphens and underscores alike, so a front that takes a client's own
``Client-Certificate`` out may let its ``Client_Certificate`` pass; no other name is written like this one.
"""

_VARIABLE = f"HTTP_{HEADER.upper()}"
# PEM is longer than its DER by a third and its line ends; of its characters some are escaped, as three.
_TEXT_LIMIT = CERTIFICATE_LIMIT * 2
_PEM = re.compile(rb"\s*-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----\s*")
_PLACE = f"header {HEADER}"


class Addresses:
    """A set of IP addresses and networks."""

    def __init__(self, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()) -> None:
        self._networks = tuple(networks)
        # A front has few addresses, and to read one costs more than all the rest.
        self._found = lru_cache(maxsize=4096)(self._find)

    @classmethod
    def parse(cls, words: Iterable[str], place: str) -> Addresses:
        """Read addresses (``10.0.0.1``, ``::1``) and networks (``10.0.0.0/24``), or raise BadInput."""
        networks = []
        for word in words:
            try:
                network = ipaddress.ip_network(word)
            except ValueError:
                raise BadInput(
                    place, f"{word!r} is neither an address nor a network such as 10.0.0.0/24"
                ) from None
            if network.prefixlen == 0:
                raise BadInput(place, f"{word!r} is everybody's address")
            networks.append(network)
        return cls(networks)

    def __contains__(self, address: str) -> bool:
        return bool(self._networks) and self._found(address)

    def _find(self, address: str) -> bool:
        found = read_address(address)
        return found is not None and any(found in network for network in self._networks)


def read_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as WSGI's REMOTE_ADDR has it; None for what is none, such as a socket's path."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    # On a socket of both families IPv4 comes as ::ffff:192.0.2.1 (RFC 4291 2.5.5.2).
    return getattr(found, "ipv4_mapped", None) or found


def forwarded_fingerprint(environ: Mapping[str, Any], proxies: Addresses) -> bytes | None:
    """SHA-256 of the client certificate that a front passes on; None if the request comes from no front, or without one.

    Raises:
        BadInput: A front has written something else than one certificate.
    """
    text = environ.get(_VARIABLE)
    if not text or str(environ.get("REMOTE_ADDR", "")) not in proxies:
        return None
    if len(text) > _TEXT_LIMIT:  # before it becomes a key of the cache
        raise BadInput(_PLACE, f"is longer than {_TEXT_LIMIT} characters")
    return _fingerprint(text)


@lru_cache(maxsize=1024)
def _fingerprint(text: str) -> bytes:
    found = _PEM.fullmatch(unquote_to_bytes(text))
    if found is None:
        raise _no_certificate()
    try:
        der = binascii.a2b_base64(b"".join(found[1].split()), strict_mode=True)
    except binascii.Error:
        raise _no_certificate() from None
    return hashlib.sha256(der).digest()


def _no_certificate() -> BadInput:
    return BadInput(
        _PLACE,
        "is not one certificate, in PEM and escaped as in a URL",
        remedy=f"Let the TLS front write it: proxy_set_header {HEADER} $ssl_client_escaped_cert;",
    )
