"""``kakehashi repo ldap``: the repository in a directory, once or followed by the worker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from bridge.directory.connection import Directory, Server
from bridge.repository.directory import publish_repository
from ca.clock import utc_text
from ca.errors import BadInput
from front.asking import require_open
from front.cli.common import Settings, command_options
from front.cli.progress import progress_bar
from front.following import Following, FollowState, read_following, read_state, write_following
from front.passphrase import password

GUARDED = click.option(
    "--guarded",
    is_flag=True,
    help="Whoever gets it keeps it from others: needed where the edition gives lists to known verifiers alone.",
)
_START_TLS = click.option("--start-tls", is_flag=True, help="Begin TLS before anything is said, on ldap://.")
_CA_FILE = click.option(
    "--ca-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    help="PEM of the CAs that the server's certificate may be of.  [default: the machine's]",
)


@click.group("ldap")
def ldap_() -> None:
    """The repository in an LDAP directory. Needs kakehashi[ldap]."""


@ldap_.command("publish")
@click.option("--url", required=True, metavar="URL", help="ldap://host[:port], or ldaps:// for TLS at once.")
@click.option("--bind-dn", required=True, metavar="NAME", help="Who writes, as the server knows them.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="A file whose first line is their password.  [default: it is asked for]",
)
@_START_TLS
@_CA_FILE
@click.option(
    "--timeout",
    type=click.IntRange(1, 86_400),
    default=3600,
    show_default=True,
    help="Seconds to wait for the server in all.",
)
@GUARDED
@command_options
def publish(
    settings: Settings,
    url: str,
    bind_dn: str,
    password_file: Path | None,
    start_tls: bool,  # noqa: FBT001 - click calls by keyword
    ca_file: Path | None,
    timeout: int,
    guarded: bool,  # noqa: FBT001
) -> None:
    """Make a directory say what is published: CAs' certificates, pairs and lists, and lists at distribution points.

    A second run writes only what has changed; `kakehashi repo ldap follow` has the worker do it at every change. What the
    server has no place for is named, and the exit status is then 1.

    \b
    Example:
      kakehashi repo ldap publish --url ldaps://directory.example --bind-dn cn=writer,c=JP --password-file word \\
          --home world
    """
    server = Server(url, start_tls, ca_file)
    with settings.world() as world:
        require_open(world.plan.practices.values(), guarded=guarded)
        repository = world.repository
    with Directory(server, float(timeout)) as directory:
        directory.authenticate(bind_dn, password(password_file, "--password-file", prompt="Password"))
        with progress_bar(settings) as progress:
            done = publish_repository(repository, directory, progress)
    settings.tell(
        {
            "entries": done.entries,
            "added": done.added,
            "attributes_replaced": done.replaced,
            "left_out": list(done.left_out),
        }
    )
    if done.left_out:
        sys.exit(1)


@ldap_.command("follow")
@click.option("--url", metavar="URL", help="ldap://host[:port], or ldaps:// for TLS at once.")
@click.option("--bind-dn", metavar="NAME", help="Who writes, as the server knows them.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    help="A file whose first line is their password; the home keeps its name alone.",
)
@_START_TLS
@_CA_FILE
@click.option("--stop", is_flag=True, help="Follow no directory any more; what is there stays.")
@GUARDED
@command_options
def follow(
    settings: Settings,
    url: str | None,
    bind_dn: str | None,
    password_file: Path | None,
    start_tls: bool,  # noqa: FBT001 - click calls by keyword
    ca_file: Path | None,
    stop: bool,  # noqa: FBT001
    guarded: bool,  # noqa: FBT001
) -> None:
    """Have the home's worker keep a directory up to date: within seconds of every list, pair and withdrawal.

    A worker that runs follows it from its next look on; nothing has to be started anew. The password stays in its file.

    \b
    Examples:
      kakehashi repo ldap follow --url ldaps://directory.example --bind-dn cn=writer,c=JP --password-file word \\
          --home world
      kakehashi repo ldap follow --stop --home world
    """
    with settings.world() as world:
        if stop:
            write_following(world.home, None)
            settings.tell({"directory": None})
            return
        if url is None or bind_dn is None or password_file is None:
            raise BadInput("repo ldap follow", "needs --url, --bind-dn and --password-file, or --stop")
        require_open(world.plan.practices.values(), guarded=guarded)
        setting = Following(
            url=url,
            bind_dn=bind_dn,
            password_file=str(password_file),
            start_tls=start_tls,
            ca_file=None if ca_file is None else str(ca_file),
            guarded=guarded,
        )
        Directory(
            setting.server
        ).close()  # a URL that is none, or python-ldap missing: said now, not by the worker
        write_following(world.home, setting)
        settings.tell(_fields(setting, None))


@ldap_.command("state")
@command_options
def state(settings: Settings) -> None:
    """Show which directory the worker keeps up to date and how its last try went. Exit status 1 if it failed.

    \b
    Example:
      kakehashi repo ldap state --home world
    """
    with settings.world() as world:
        setting, found = read_following(world.home), read_state(world.home)
    settings.tell({"directory": None} if setting is None else _fields(setting, found))
    if setting is not None and found is not None and found.state == "failing":
        sys.exit(1)


def _fields(setting: Following, found: FollowState | None) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "directory": setting.url,
        "bind_dn": setting.bind_dn,
        "password_file": setting.password_file,
        "state": "not tried yet" if found is None else found.state,
    }
    if found is None:
        return fields
    return fields | {
        "at": utc_text(found.at),
        "published_at": None if found.published_at is None else utc_text(found.published_at),
        "failures": found.failures,
        "problem": found.problem,
        "next_try": None if found.next_try is None else utc_text(found.next_try),
        "entries": found.entries,
        "left_out": list(found.left_out_names),
    }
