"""The vault of a home: sealed files in it, a PKCS#11 token, or names of public test keys."""

from __future__ import annotations

from collections.abc import Callable

from ca.errors import HomeRefused, TokenFailed
from ca.keys.sealing import require_strength
from ca.keys.vault import KeyVault, SealedVault, TestVault
from front.home import Description, Home, TokenSetting

SecretSource = Callable[[], str]
"""Gives what opens a vault: a passphrase, or a token's PIN."""


def wanted_secret(description: Description, source: SecretSource) -> str:
    """What a new home's vault is to be opened with, good enough to make it; empty for public test keys.

    Raises:
        PassphraseRefused: There is none, a new passphrase is too short, or the PIN is wrong.
        TokenFailed: The token cannot be used.
    """
    if description.seed is not None:
        return ""
    secret = source()
    if description.token is None:
        require_strength(secret)
    else:
        _try_token(description.token, secret)
    return secret


def make_vault(home: Home, description: Description, secret: str) -> KeyVault:
    """The vault of a home in the making; see the vaults' own ``make``."""
    if description.seed is not None:
        return TestVault.make(home.keys, description.seed)
    if description.token is not None:
        return _token_vault(home, description, description.token, secret, make=True)
    return SealedVault.make(home.keys, secret)


def open_vault(home: Home, description: Description, source: SecretSource) -> KeyVault:
    """The vault of a complete home; see the vaults' own ``open``. The source is asked only if it has a secret."""
    if description.seed is not None:
        return TestVault.open(home.keys)
    if description.token is not None:
        return _token_vault(home, description, description.token, source(), make=False)
    return SealedVault.open(home.keys, source())


def open_responders_vault(home: Home, description: Description, source: SecretSource) -> KeyVault:
    """The vault of a home of responders alone. It knows nothing of the residents' codes: nobody asks it for their key.

    Raises:
        PassphraseRefused, KeyRefused, TokenFailed: As the vaults' own ``open`` does.
    """
    if description.token is None:
        return SealedVault.open(home.keys, source())
    if description.id is None:
        raise _no_id(home)
    try:
        from ca.keys.session import Token, TokenAddress  # noqa: PLC0415 - only with the extra hsm
        from ca.keys.token import TokenVault  # noqa: PLC0415 - likewise
    except ImportError:
        raise _no_extra() from None
    token = Token.open(TokenAddress(description.token.module, description.token.label), source())
    return TokenVault(token, description.id, code_key=b"")


def _token_vault(
    home: Home, description: Description, token: TokenSetting, pin: str, *, make: bool
) -> KeyVault:
    if description.id is None:
        raise _no_id(home)
    try:
        from ca.keys.session import TokenAddress  # noqa: PLC0415 - only with the extra hsm
        from ca.keys.token import TokenVault  # noqa: PLC0415 - likewise
    except ImportError:
        raise _no_extra() from None
    address = TokenAddress(token.module, token.label)
    opening = TokenVault.make if make else TokenVault.open
    return opening(address, description.id, pin)


def _try_token(token: TokenSetting, pin: str) -> None:
    """Log in and out, or say why not."""
    try:
        from ca.keys.session import Token, TokenAddress  # noqa: PLC0415 - only with the extra hsm
    except ImportError:
        raise _no_extra() from None
    Token.open(TokenAddress(token.module, token.label), pin).close()


def _no_id(home: Home) -> HomeRefused:
    return HomeRefused(f"home {home.folder}", "has no id by which a token knows its keys")


def _no_extra() -> TokenFailed:
    return TokenFailed("PKCS#11", "needs python-pkcs11", remedy="pip install 'kakehashi[hsm]'")
