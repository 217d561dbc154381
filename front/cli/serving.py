"""``kakehashi serve``."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

import click
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from ca.errors import BadInput
from front.app import HOME_VARIABLE
from front.cli.common import Settings, command_options
from front.home import Home


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="The port to listen on.  [default: the URL's, or 8080]"
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@command_options
def serve(settings: Settings, host: str, port: int | None, workers: int) -> None:
    """Serve the repository over HTTP: certificates, lists, cross-certificate pairs, the signed manifest.

    \b
    Example:
      kakehashi serve --home world --port 8080
    """
    home = Home(settings.home)
    url = home.require_complete().url
    port = port or urlsplit(url).port or 8080
    _require_free(host, port)
    os.environ[HOME_VARIABLE] = str(home.folder.resolve())
    settings.console(stderr=True).print(f"Serving {home.folder} at http://{host}:{port}/ - stop with Ctrl-C.")
    Granian(
        "front.app:create_app",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        websockets=False,
        log_level=LogLevels.warning,
    ).serve()


def _require_free(host: str, port: int) -> None:
    """Raise BadInput if the address cannot be listened on, with the reason, before any worker is started."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise BadInput(
            f"{host}:{port}", f"cannot be listened on: {error.strerror}", remedy="Choose another --port"
        ) from None
