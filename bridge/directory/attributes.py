"""What certificates and lists are called in a directory (RFC 4523). ``;binary`` is asked for as it is stored (2.1)."""

from __future__ import annotations

from typing import Final

CA_CERTIFICATE: Final = "cACertificate;binary"
"""Of a CA: self-signed and link certificates (RFC 4523 4.2)."""

CROSS_PAIR: Final = "crossCertificatePair;binary"
"""Of a CA: what it has issued to other CAs, and they to it (RFC 4523 4.3)."""

CERTIFICATE_LIST: Final = "certificateRevocationList;binary"
"""Of a CA, or of a distribution point."""

AUTHORITY_LIST: Final = "authorityRevocationList;binary"
"""The same for CA certificates alone."""

DELTA_LIST: Final = "deltaRevocationList;binary"
"""What changed since an earlier one."""

CERTIFICATES: Final = (CA_CERTIFICATE, CROSS_PAIR)
LISTS: Final = (CERTIFICATE_LIST, AUTHORITY_LIST, DELTA_LIST)
