"""``kakehashi repo``: what is published, handed on: to a directory, as a sealed copy, as a folder for any web server."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.relying.sealed import check_sealed
from bridge.repository.ldif import ldif as ldif_lines
from bridge.repository.sealed import seal
from bridge.repository.still import still
from ca.clock import parse_moment, system_clock, utc_text
from ca.errors import BadInput
from ca.suites import SuiteId
from front.asking import require_open
from front.cli.common import Settings, command_options, command_options_home_optional
from front.cli.progress import progress_bar
from front.cli.repo_ldap import GUARDED, ldap_
from front.cli.verifying_sources import legacy_option, read_certificate_file, world_of
from front.home import storage_errors
from front.static.making import PUBLIC, make_static


@click.group()
def repo() -> None:
    """The repository: what is published, for directories, mirrors and laboratories."""


repo.add_command(ldap_)


@repo.command("ldif")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="The file.  [default: standard output]"
)
@GUARDED
@command_options
def ldif(settings: Settings, out: Path | None, guarded: bool) -> None:  # noqa: FBT001 - click calls by keyword
    """Write the directory's entries as LDIF, for ldapadd or slapadd.

    \b
    Example:
      kakehashi repo ldif --out nation.ldif --home world
    """
    with settings.world() as world:
        require_open(world.plan.practices.values(), guarded=guarded)
        repository = world.repository
    with still(repository) as found:
        lines = ldif_lines(found.entries, found.folder)
        if out is None:
            for line in lines:
                click.echo(line, nl=False)
            return
        with storage_errors(str(out)), out.open("w", encoding="ascii") as file:
            file.writelines(lines)
    settings.tell({"file": str(out), "entries": len(found.entries)})


@repo.command("snapshot")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--past", is_flag=True, help="With every earlier list, which verify the past.")
@GUARDED
@command_options
def snapshot(settings: Settings, out: Path, past: bool, guarded: bool) -> None:  # noqa: FBT001 - click calls by keyword
    """Write a sealed copy of what is published: a ZIP file with the digest of every file, signed.

    `kakehashi repo check` checks it, and so do sha256sum and openssl once it is unpacked (docs/repository.md).

    \b
    Example:
      kakehashi repo snapshot today.zip --home world
    """
    with settings.world() as world:
        require_open(world.plan.practices.values(), guarded=guarded)
        at = world.clock()
        files = seal(world.issuers, world.plan, world.repository, out, past=past, at=at)
    settings.tell({"file": str(out), "files": files, "sealed_at": utc_text(at)})


@repo.command("check")
@click.argument("copy", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--anchor", type=click.Path(path_type=Path), help="The certificate to trust.  [default: the home's]"
)
@click.option("--at", "at_text", metavar="MOMENT", help="Check as of this moment.  [default: now]")
@legacy_option
@command_options_home_optional
def check(
    settings: Settings, copy: Path, anchor: Path | None, at_text: str | None, legacy: frozenset[SuiteId]
) -> None:
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
    believed = legacy | world.legacy if world else legacy
    found = check_sealed(copy, trusted, at or (world.at if world else system_clock()), believed)
    settings.tell({"world": found.world, "sealed_at": utc_text(found.signed_at), "files": found.files})


@repo.command("static")
@click.argument("folder", type=click.Path(path_type=Path))
@GUARDED
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
    with settings.world() as world, progress_bar(settings) as progress:
        require_open(world.plan.practices.values(), guarded=guarded)
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
