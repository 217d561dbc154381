"""Options by which a command shows a server over TLS who asks: lists may be for known verifiers alone."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from ca.errors import BadInput

F = TypeVar("F", bound=Callable[..., None])


def tls_options(function: F) -> F:
    """Add --client-cert, --client-key and --tls-ca; the function gets the three as ``tls_for`` takes them."""
    certificate = click.option(
        "--client-cert", type=click.Path(path_type=Path), metavar="FILE",
        help="The certificate (PEM) to show a server over https, as a verifier that it knows.",
    )  # fmt: skip
    key = click.option(
        "--client-key", type=click.Path(path_type=Path), metavar="FILE",
        help="Its key (PEM, not encrypted), if that is not in the same file.",
    )  # fmt: skip
    trusted = click.option(
        "--tls-ca", type=click.Path(path_type=Path), metavar="FILE",
        help="Whose certificates (PEM) to trust as a server's over https.  [default: the machine's own trust]",
    )  # fmt: skip
    return certificate(key(trusted(function)))


def tls_for(
    url: str | None, client_cert: Path | None, client_key: Path | None, tls_ca: Path | None
) -> ssl.SSLContext | None:
    """How to speak TLS with the server of this URL; None if it is not one of https.

    What is fetched is signed, and trusted for that alone: TLS is how the server knows who asks.

    Raises:
        BadInput: An option is for https and the URL is not; a file cannot be read, or is not what it should be.
    """
    options = {"--client-cert": client_cert, "--client-key": client_key, "--tls-ca": tls_ca}
    if url is None or not url.lower().startswith("https://"):
        for option, file in options.items():
            if file is not None:
                raise BadInput(option, "is for a server over https", remedy="Name it by https://host[:port]/")
        return None
    if client_cert is None and client_key is not None:
        raise BadInput("--client-key", "needs --client-cert")
    try:
        context = ssl.create_default_context(cafile=tls_ca)
    except OSError as error:
        raise _unread("--tls-ca", "has no certificates in PEM", error) from None
    if client_cert is not None:
        try:
            # An encrypted key has no passphrase here; without one OpenSSL would ask whoever sits at the terminal.
            context.load_cert_chain(client_cert, client_key, password=lambda: "")
        except OSError as error:
            raise _unread(
                "--client-cert", "is no certificate in PEM with its key, not encrypted", error
            ) from None
    return context


def _unread(option: str, problem: str, error: OSError) -> BadInput:
    """By the system's own words; OpenSSL's name what it was reading, and not what is wrong with the file."""
    return BadInput(
        option, problem if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
    )
