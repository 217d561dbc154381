"""A real PostgreSQL server of the tests' own, and as many databases in it as they like.

One server a test process, begun when a test first asks for it; it ends with the process, however that ends. It sorts
text as a language does, not by octets, as many servers do: what leans on the order of octets by chance is found out.
"""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from tests.components import require

ON_BOTH = frozenset(
    {
        "test_store",
        "test_cycle",
        "test_batch",
        "test_registration",
        "test_at_window",
        "test_search",
        "test_events",
        "test_waiting",
        "test_quarantine",
        "test_lists",
        "test_publication",
        "test_mass_orders",
        "test_crossing",
        "test_crossing_renewal",
        "test_succession",
        "test_key_lives",
        "test_counts",
        "test_sign_in_stores",
    }
)
"""The modules whose tests run on both databases."""

SQLITES_OWN = frozenset(
    {
        "test_the_migrations_make_what_the_tables_would_make",
        "test_the_schema_is_the_newest_migration_and_they_stand_in_a_line",
        "test_a_second_migration_changes_nothing",
        "test_a_migration_is_whole_or_not_there",
        "test_every_connection_is_durable_and_checks_references",
        "test_closing_leaves_one_file",
        "test_a_full_disk_keeps_nothing_and_says_so",
        "test_a_disk_that_may_not_be_written_says_so",
        "test_a_store_that_is_none_says_so",
        "test_a_store_in_no_directory_says_so",
        "test_moments_come_out_as_they_went_in_and_in_their_order",
        "test_no_moment_stays_none",
        "test_the_resident_code_is_kept_only_keyed",
        "test_a_renewal_that_dies_again_and_again_makes_everything_once",
        "test_an_interrupted_succession_is_completed",
        "test_a_killed_step_is_completed",
        "test_a_list_written_into_a_file_is_the_list_made_in_memory",
        "test_an_ec_signatures_length_may_change_the_header",
        "test_what_is_written_must_be_as_long_as_was_said",
        "test_a_digest_is_signed_as_its_message_is",
        "test_what_is_asked_every_second_does_not_pass_over_what_was_revoked_before",
        "test_a_file_names_certificates",
        "test_a_file_that_is_none_is_refused_with_its_line",
        "test_a_file_has_an_end",
        "test_death_at_each_step_of_a_chunk",
        "test_an_older_copy_goes_on_where_the_order_was",
        "test_no_question_reads_a_whole_table",
    }
)
"""Tests of those modules that look at SQLite's own ways, and such as need no database."""

QUICK = frozenset(
    {
        "test_store.test_a_reader_sees_one_state",
        "test_store.test_processes_that_read_and_then_update_lose_nothing",
        "test_store.test_a_store_that_another_keeps_locked_is_busy",
        "test_cycle.test_a_case_becomes_two_certificates",
        "test_cycle.test_a_serial_is_given_once",
        "test_cycle.test_death_at_any_moment_under_load_leaves_nothing_unknown",
        "test_registration.test_an_application_goes_through_four_hands",
        "test_registration.test_of_two_officers_at_once_one_takes_the_step",
        "test_registration.test_of_two_renewals_at_once_one_is_received",
        "test_events.test_at_any_step_nothing_is_lost_or_doubled",
        "test_publication.test_publishers_at_once_leave_the_highest_number_newest",
        "test_mass_orders.test_an_order_is_about_what_it_selects",
        "test_mass_orders.test_two_at_once_do_each_chunk_once",
        "test_crossing.test_two_officers_lead_to_a_cross_certificate",
        "test_crossing_renewal.test_two_processes_renew_side_by_side",
        "test_succession.test_a_succession_makes_all_that_a_generation_has",
        "test_key_lives.test_a_step_that_two_take_at_once_is_taken_once",
        "test_key_lives.test_the_journal_gives_the_lives_back",
        "test_sign_in_stores.test_passkeys",
        "test_sign_in_stores.test_a_question_is_answered_by_one_of_two_at_once",
        "test_sign_in_stores.test_deeds_are_numbered_without_gaps_and_found",
    }
)
"""What ``make test`` runs on both; ``make test-long`` runs all the rest on PostgreSQL too."""

_WATCH = '"$@" >log 2>&1 & server=$!; cat; kill -QUIT $server; wait $server; cd /; rm -rf "$HOME"'
"""Waits for the end of its input, which is the end of the test process, however that came about."""


@dataclass(frozen=True)
class Server:
    """A running server; reached through a socket in its folder, so that no port has to be found."""

    folder: Path
    made: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def url(self, database: str) -> str:
        """The URL of a database."""
        query = {"host": str(self.folder)}
        url = URL.create("postgresql+psycopg", "kakehashi", database=database, query=query)
        return url.render_as_string()

    def create(self, template: str = "template1") -> str:
        """Make a database like this one (a name, or a URL); gives its URL. Nobody may be connected to the template."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        like = make_url(template).database if ":" in template else template
        self.execute(f'CREATE DATABASE {name} TEMPLATE "{like}"')
        self.made.append(name)
        return self.url(name)

    def template(self) -> str:
        """Make an empty database that stays to be copied; gives its URL."""
        made = self.create()
        self.made.pop()
        return made

    def drop(self, kept: int) -> None:
        """Drop the databases that were made after the first so many."""
        while len(self.made) > kept:
            self.execute(f"DROP DATABASE {self.made.pop()} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run one statement as the server's master."""
        with psycopg.connect(
            host=str(self.folder), user="kakehashi", dbname="postgres", autocommit=True
        ) as it:
            it.execute(statement)  # type: ignore[call-overload]  # no value in it comes from outside


@cache
def server() -> Server:
    """This process's server; skips the test where PostgreSQL is not installed."""
    return begun()


def begun() -> Server:
    """One more server; it too ends with the process."""
    programs = require("postgresql").parent
    folder = _folder()
    _run(
        programs / "initdb", "-D", folder / "data", "-U", "kakehashi", "-A", "trust", "-E", "UTF8",
        "--no-sync", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US",
    )  # fmt: skip
    return _started(folder)


def replica_of(primary: Server) -> Server:
    """A streaming copy of a server, which may be read."""
    programs = require("postgresql").parent
    folder = _folder()
    _run(
        programs / "pg_basebackup", "-D", folder / "data", "-h", primary.folder, "-U", "kakehashi",
        "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
    )  # fmt: skip
    return _started(folder)


def _folder() -> Path:
    made = _run("mktemp", "-d", "/tmp/kakehashi-postgresql-XXXXXX")  # noqa: S108 - a socket's path must be short
    return Path(made.strip())


def _started(folder: Path) -> Server:
    programs = require("postgresql").parent
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": folder,
        "fsync": "off",  # the machine does not lose its power; processes die, and what they kept stays
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_connections": 200,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    watching = subprocess.Popen(
        [*_unprivileged(), "env", f"HOME={folder}", "sh", "-c", _WATCH, "sh",
         programs / "postgres", "-D", folder / "data", *options],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
        start_new_session=True,
    )  # fmt: skip
    assert watching.stdin is not None
    atexit.register(watching.wait)
    atexit.register(watching.stdin.close)  # runs before the one above
    started = Server(folder)
    for _ in range(600):
        with suppress(psycopg.OperationalError):
            started.execute("SELECT 1")
            return started
        time.sleep(0.05)
    raise AssertionError((folder / "log").read_text())


@contextmanager
def dropping() -> Iterator[None]:
    """Drop at the end what was made within; room for the databases of some hundred tests."""
    kept = len(server().made) if server.cache_info().currsize else 0
    yield
    if server.cache_info().currsize:
        server().drop(kept)


def _run(*words: object) -> str:
    done = subprocess.run(
        [*_unprivileged(), *map(str, words)], capture_output=True, text=True, check=True, cwd="/"
    )
    return done.stdout


def _unprivileged() -> list[str]:
    """How to run a program as somebody else, since the server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    there = {entry.pw_name for entry in pwd.getpwall()}
    return ["runuser", "-u", "postgres" if "postgres" in there else "nobody", "--"]
