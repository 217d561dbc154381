"""The card's tokens: SoftHSM's, in the card's own folder; python-pkcs11 is needed from the first use on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from ca.errors import TokenFailed
from ca.keys.signer import Signer
from ca.suites import Suite

_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",  # Debian, Ubuntu
    "/usr/lib64/pkcs11/libsofthsm2.so",  # Fedora
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


class OpenToken(Protocol):
    """A token that is logged in to; ``ca.keys.card_token.CardToken`` says more."""

    def make_key(self, suite: Suite) -> Signer:
        """Make the key pair."""
        ...

    def signer(self) -> Signer:
        """What signs with the key."""
        ...

    def change_pin(self, old: str, new: str) -> None:
        """Give the token another PIN."""
        ...

    def keep_certificate(self, der: bytes) -> None:
        """Keep a certificate in the place of the one before."""
        ...

    def certificate(self) -> bytes | None:
        """The certificate that is kept, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one folder, by their labels.

    Attributes:
        module: SoftHSM's PKCS#11 module; None: where systems have it.
    """

    folder: Path
    module: str | None = None

    def make(self, label: str, officer_pin: str, pin: str) -> None:
        """Make a token; see ``ca.keys.card_token.initialise``."""
        card_token, address = self._of(label)
        with card_token.tokens_in(self.folder):
            card_token.initialise(address, officer_pin, pin)

    def set_pin(self, label: str, officer_pin: str, pin: str) -> None:
        """Give a token a new PIN by its security officer's; see ``ca.keys.card_token.set_pin``."""
        card_token, address = self._of(label)
        with card_token.tokens_in(self.folder):
            card_token.set_pin(address, officer_pin, pin)

    @contextmanager
    def open(self, label: str, pin: str) -> Iterator[OpenToken]:
        """Be logged in to a token while the block runs.

        Raises:
            PassphraseRefused: The PIN is wrong.
            TokenFailed: The module or the token is missing, or fails.
        """
        card_token, address = self._of(label)
        with card_token.tokens_in(self.folder), card_token.CardToken.open(address, pin) as token:
            yield cast("OpenToken", token)

    def _of(self, label: str) -> tuple[Any, Any]:
        """The module of ours that knows PKCS#11, and the token's address."""
        try:
            from ca.keys import card_token  # noqa: PLC0415 - only with the extra hsm
            from ca.keys.session import TokenAddress  # noqa: PLC0415 - likewise
        except ImportError:
            raise TokenFailed(
                "PKCS#11", "needs python-pkcs11", remedy="pip install 'kakehashi[hsm]'"
            ) from None
        return card_token, TokenAddress(self.module or _softhsm(), label)


def _softhsm() -> str:
    for found in _MODULES:
        if Path(found).exists():
            return found
    raise TokenFailed(
        "SoftHSM", "is not installed where it is looked for", remedy="Install softhsm2, or name its module"
    )
