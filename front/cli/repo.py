"""``kakehashi repo``: what is published, handed on: to a directory, as a sealed copy, as a folder for any web server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bridge.directory.connection import Directory, Server
from bridge.relying.sealed import check_sealed
from bridge.repository.directory import publish_entries
from bridge.repository.entries import read_entries
from bridge.repository.ldif import ldif as ldif_lines
from bridge.repository.sealed import seal
from ca.clock import parse_moment, system_clock, utc_text
from ca.errors import BadInput, NotPermitted
from ca.profiles.practice import Access
from front.asking import status_practice
from front.assembly import World
from front.cli.common import Settings, command_options, command_options_home_optional
from front.cli.verifying_sources import read_certificate_file, world_of
from front.home import storage_errors
from front.passphrase import password
from front.static.making import PUBLIC, make_static

_guarded = click.option(
    "--guarded",
    is_flag=True,
    help="Whoever gets it keeps it from others: needed where the edition gives lists to known verifiers alone.",
)


@click.group()
def repo() -> None:
    """The repository: what is published, for directories, mirrors and laboratories."""


@repo.group("ldap")
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
@click.option("--start-tls", is_flag=True, help="Begin TLS before anything is said, on ldap://.")
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM of the CAs that the server's certificate may be of.  [default: the machine's]",
)
@click.option(
    "--timeout",
    type=click.IntRange(1, 86_400),
    default=3600,
    show_default=True,
    help="Seconds to wait for the server in all.",
)
@_guarded
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

    A second run writes only what has changed; to keep a directory up to date, run it from a timer. What the
    server has no place for is named, and the exit status is then 1.

    \b
    Example:
      kakehashi repo ldap publish --url ldaps://directory.example --bind-dn cn=writer,c=JP --password-file word \\
          --home world
    """
    server = Server(url, start_tls, ca_file)
    with settings.world() as world:
        _require_open(world, guarded=guarded)
        folder = world.repository.folder
    with Directory(server, float(timeout)) as directory:
        directory.authenticate(bind_dn, password(password_file, "--password-file", prompt="Password"))
        with _bar(settings) as progress:
            done = publish_entries(folder, directory, progress)
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


@repo.command("ldif")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="The file.  [default: standard output]"
)
@_guarded
@command_options
def ldif(settings: Settings, out: Path | None, guarded: bool) -> None:  # noqa: FBT001 - click calls by keyword
    """Write the directory's entries as LDIF, for ldapadd or slapadd.

    \b
    Example:
      kakehashi repo ldif --out nation.ldif --home world
    """
    with settings.world() as world:
        _require_open(world, guarded=guarded)
        folder = world.repository.folder
    entries = read_entries(folder)
    if out is None:
        for line in ldif_lines(entries, folder):
            click.echo(line, nl=False)
        return
    with storage_errors(str(out)), out.open("w", encoding="ascii") as file:
        file.writelines(ldif_lines(entries, folder))
    settings.tell({"file": str(out), "entries": len(entries)})


@repo.command("snapshot")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--past", is_flag=True, help="With every earlier list, which verify the past.")
@_guarded
@command_options
def snapshot(settings: Settings, out: Path, past: bool, guarded: bool) -> None:  # noqa: FBT001 - click calls by keyword
    """Write a sealed copy of what is published: a ZIP file with the digest of every file, signed.

    `kakehashi repo check` checks it, and so do sha256sum and openssl once it is unpacked (docs/repository.md).

    \b
    Example:
      kakehashi repo snapshot today.zip --home world
    """
    with settings.world() as world:
        _require_open(world, guarded=guarded)
        at = world.clock()
        files = seal(world.issuers, world.plan, world.repository, out, past=past, at=at)
    settings.tell({"file": str(out), "files": files, "sealed_at": utc_text(at)})


@repo.command("check")
@click.argument("copy", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--anchor", type=click.Path(path_type=Path), help="The certificate to trust.  [default: the home's]"
)
@click.option("--at", "at_text", metavar="MOMENT", help="Check as of this moment.  [default: now]")
@command_options_home_optional
def check(settings: Settings, copy: Path, anchor: Path | None, at_text: str | None) -> None:
    """Check a sealed copy: a ZIP file, or a folder that it was unpacked into. Exit status 1 if it is not whole.

    \b
    Example:
      kakehashi repo check today.zip --anchor gpki.cer
    """
    at = None if at_text is None else parse_moment(at_text, "--at")
    world = world_of(settings)
    if anchor is not None:
        trusted = read_certificate_file(anchor)
    elif world is not None:
        trusted = world.anchor
    else:
        raise BadInput("--anchor", "is needed without a home", remedy="Name the certificate to trust")
    found = check_sealed(copy, trusted, at or (world.at if world else system_clock()))
    settings.tell({"world": found.world, "sealed_at": utc_text(found.signed_at), "files": found.files})


@repo.command("static")
@click.argument("folder", type=click.Path(path_type=Path))
@_guarded
@command_options
def static(settings: Settings, folder: Path, guarded: bool) -> None:  # noqa: FBT001 - click calls by keyword
    """Make the nation as a folder that any web server serves: certificates, pairs, lists, OCSP answers, LDIF.

    A folder that this command made before is made anew; anything else is left alone. FOLDER/README.md says how to
    serve it. Answers live as long as the edition says (answer_seconds).

    \b
    Example:
      kakehashi repo static lab --home world
      nginx -p lab -c nginx.conf -g 'daemon off;'
    """
    with settings.world() as world, _bar(settings) as progress:
        _require_open(world, guarded=guarded)
        steps = len(world.stores.generations()) + 2
        made = make_static(world, folder, lambda what: progress(what, steps))
    answers = made.answers
    settings.tell(
        {
            "folder": str(folder),
            "served": str(folder / PUBLIC),
            "files": made.files,
            "answers": answers.count,
            "answers_until": None if answers.until is None else utc_text(answers.until),
        }
    )


def _require_open(world: World, *, guarded: bool) -> None:
    """Raise NotPermitted if the world's lists are for known verifiers and nobody has said that they stay so."""
    practice = status_practice(world.plan.practices.values())
    if practice.list_access is Access.KNOWN and not guarded:
        raise NotPermitted(
            "repository",
            "has lists for known verifiers alone, and what is handed on here is everybody's",
            remedy="Give --guarded if whoever gets it keeps it from others",
        )


@contextmanager
def _bar(settings: Settings) -> Iterator[Callable[[str, int], None]]:
    console = settings.console(stderr=True)
    with Progress(
        TextColumn("{task.description:.60}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)

        def progress(what: str, steps: int) -> None:
            bar.update(task, description=what, total=steps, advance=1)

        yield progress
