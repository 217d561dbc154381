"""The register of signature verifiers by its command, the counts of what they asked, and lists for known verifiers alone."""

import csv
import io
import json
import shutil
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete
from werkzeug.serving import WSGIRequestHandler, make_server

from bridge.relying.finding.fetch import HttpSource
from ca.errors import BadInput, NotFound, StorageFailed
from ca.store import verifiers
from ca.store.engine import Store, sqlite_url
from ca.store.schema import migrate
from ca.store.tables import verifier_counts
from ca.store.verifiers import Count
from front.app import create_app
from front.asking import PROXIES_VARIABLE, asking, tell_processes
from front.assembly import open_world
from front.cli.tls import tls_for
from front.counting import bring_in, in_database, in_folder, read_counts
from front.demo.served import free_port
from front.metrics import Gauges
from front.server import serving
from ocsp.peers import HEADER
from ocsp.tally import Tally
from tests import components
from tests.client_certificates import make_client, openssl
from tests.commands import done, refused, run

DAY = date(2014, 9, 1)
NOW = datetime(2014, 9, 1, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clients")


@pytest.fixture(scope="module")
def client(folder):
    return make_client(folder, "client", dates=("20100101000000Z", "20491231235959Z"))


@pytest.fixture(scope="module")
def other(folder):
    return make_client(folder, "other", dates=("20100101000000Z", "20491231235959Z"))


TEXTS = {
    "--organisation": "国税電子申告\u3000受付センター",
    "--purpose": "申告書の署名検証 (e-filing)",
    "--contact": "受付担当 desk@e-tax.example",
}


def adding(world, client, name="e-tax", **options):
    given = TEXTS | {"--certificate": client.certificate, "--officer": "ito"} | options
    words = [word for pair in given.items() for word in pair]
    return run("verifier", "add", name, *words, "--home", world)


def told(world, *words):
    return done(run("verifier", *words, "--home", world, "--json")).json


# The command


def test_a_verifier_from_its_registration_to_its_end(staffed_world, client, other):
    done(adding(staffed_world, client))
    done(
        adding(
            staffed_world,
            other,
            "e-tax-2",
            **{"--purpose": "another purpose", "--until": "2030-01-01T00:00:00+09:00"},
        )
    )
    first, second = told(staffed_world, "list")
    assert [first[name[2:]] for name in TEXTS] == list(TEXTS.values())
    assert first["certificate"] == client.fingerprint.hex()
    assert (first["valid_until"], second["valid_until"]) == ("2049-12-31T23:59:59Z", "2029-12-31T15:00:00Z")
    assert (first["officer"], first["ended_at"]) == ("ito", None)
    assert first == told(staffed_world, "show", "e-tax")
    table = done(run("verifier", "list", "--home", staffed_world, COLUMNS="200")).stdout
    assert "国税電子申告" in table
    assert "another purpose" in table
    ended = told(staffed_world, "end", "e-tax")["ended_at"]
    assert told(staffed_world, "show", "e-tax")["ended_at"] == ended
    refused(run("verifier", "end", "e-tax", "--home", staffed_world), "verifier e-tax", "was ended before")
    with open_world(staffed_world, lambda: "") as world, world.stores.nation.reading() as connection:
        assert list(verifiers.terms(connection)) == [other.fingerprint]


def test_a_certificate_is_registered_once_and_told_by_whom(staffed_world, client, other):
    done(adding(staffed_world, client))
    refused(adding(staffed_world, client, "copy"), "verifier copy", "has the certificate of verifier e-tax")
    refused(adding(staffed_world, other), "verifier e-tax", "is registered already")
    done(run("verifier", "end", "e-tax", "--home", staffed_world))
    refused(adding(staffed_world, client, "copy"), "has the certificate of verifier e-tax")
    assert [row["verifier"] for row in told(staffed_world, "list")] == ["e-tax"]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("E-Tax", {}, ("verifier id", "is not 1 to 40 lower-case letters")),
        ("a" * 41, {}, ("verifier id",)),
        ("国税", {}, ("verifier id",)),
        ("e", {"--organisation": ""}, ("--organisation", "is not a text of 1 to 200")),
        ("e", {"--purpose": "\u3000 "}, ("--purpose", "is not a text")),
        ("e", {"--contact": "x" * 201}, ("--contact", "is not a text")),
        ("e", {"--organisation": "a\x1b[31mb"}, ("--organisation", "cannot be seen")),
        ("e", {"--organisation": "a\u202eb"}, ("--organisation", "cannot be seen")),
        ("e", {"--officer": "sato"}, ("officer sato", "is not an operator of the centre")),
        ("e", {"--officer": "nobody"}, ("officer 'nobody'", "is not one of this home's")),
        ("e", {"--from": "2009-12-31T23:59:59Z"}, ("--from", "outside the certificate's own time")),
        ("e", {"--until": "2050-01-01T00:00:00Z"}, ("--until", "outside the certificate's own time")),
        (
            "e",
            {"--from": "2030-01-01T00:00:00Z", "--until": "2029-01-01T00:00:00Z"},
            ("--until", "before --from"),
        ),
        ("e", {"--from": "tomorrow"}, ("--from", "is not a moment")),
        ("e", {"--certificate": "/nowhere.pem"}, ("/nowhere.pem", "cannot be read")),
        ("e", {"--certificate": "/dev/zero"}, ("/dev/zero", "longer than")),
        ("e", {"--certificate": "/dev/null"}, ("/dev/null", "0 octets")),
    ],
)
def test_what_is_not_registered(pristine_staffed_world, client, name, options, words):
    refused(adding(pristine_staffed_world, client, name, **options), *words)
    assert told(pristine_staffed_world, "list") == []


@pytest.mark.parametrize(
    ("extensions", "options", "words"),
    [
        (("basicConstraints=critical,CA:TRUE",), {}, ("is a CA's certificate",)),
        (("keyUsage=critical,keyCertSign",), {}, ("is not for digital signatures",)),
        ((), {"key": "1024"}, ("1024", "bits")),
        ((), {"dates": ("20100101000000Z", "20140101000000Z")}, ("it has expired",)),
    ],
)
def test_certificates_that_no_verifier_is_known_by(
    pristine_staffed_world, folder, extensions, options, words
):
    unfit = make_client(folder, "unfit", *extensions, **options)
    refused(adding(pristine_staffed_world, unfit), *words)


def test_a_file_that_holds_something_else(pristine_staffed_world, client):
    refused(adding(pristine_staffed_world, replace(client, certificate=client.key)), "not of a certificate")


# Counts


@pytest.fixture(scope="module")
def one_store(tmp_path_factory):
    opened = Store.open(sqlite_url(tmp_path_factory.mktemp("counts") / "store.db"))
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def store(one_store):
    with one_store.writing() as connection:
        connection.execute(delete(verifier_counts))
    return one_store


def totals(store, **choice):
    with store.reading() as connection:
        return list(verifiers.totals(connection, **choice))


def counted(tally, *asked):
    for verifier, outcome, times in asked:
        for _ in range(times):
            tally.counted(verifier, outcome)


def test_counts_are_kept_by_verifier_day_and_outcome(store):
    now = [NOW]
    one, two = Tally(lambda: now[0], "one"), Tally(lambda: now[0], "two")
    counted(one, ("a", "good", 3), ("a", "revoked", 1), ("b", "good", 2))
    counted(two, ("a", "good", 4))
    for tally in (one, two):
        tally.flush(in_database(store))
        tally.flush(in_database(store))
    now[0] += timedelta(hours=12)  # midnight in Japan has passed
    counted(one, ("a", "good", 5))
    one.flush(in_database(store))
    assert totals(store) == [
        ("a", DAY, "good", 7), ("a", DAY, "revoked", 1), ("a", DAY + timedelta(1), "good", 5), ("b", DAY, "good", 2)
    ]  # fmt: skip
    assert totals(store, verifier="a", since=DAY + timedelta(1)) == [("a", DAY + timedelta(1), "good", 5)]
    assert totals(store, verifier="b", until=DAY - timedelta(1)) == []


def test_a_day_is_japans(store):
    now = [datetime(2014, 9, 1, 14, 59, 59, 999_999, tzinfo=UTC)]
    tally = Tally(lambda: now[0], "one")
    counted(tally, ("a", "good", 1))
    now[0] += timedelta(microseconds=1)
    counted(tally, ("a", "good", 1))
    tally.flush(in_database(store))
    assert [row[1] for row in totals(store)] == [DAY, DAY + timedelta(1)]


def test_what_could_not_be_kept_is_kept_the_next_time(store):
    tally = Tally(lambda: NOW, "one")
    counted(tally, ("a", "good", 2))

    def fails(_):
        raise StorageFailed("store", "is full")

    with pytest.raises(StorageFailed):
        tally.flush(fails)
    counted(tally, ("a", "good", 1))
    tally.flush(in_database(store))
    assert totals(store) == [("a", DAY, "good", 3)]
    told_again = []
    tally.flush(told_again.extend)
    assert told_again == []


def test_days_that_are_over_are_forgotten(store):
    now = [NOW]
    tally = Tally(lambda: now[0], "one")
    for _ in range(5):
        counted(tally, ("a", "good", 1))
        tally.flush(in_database(store))
        now[0] += timedelta(days=1)
    assert len(tally._sums) == 2
    assert [row[3] for row in totals(store)] == [1] * 5


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from(["good", "list"]),
            st.sampled_from(["x", "y"]),
            st.integers(1, 99),
        ),
        max_size=12,
    ),
    st.randoms(),
)
def test_telling_in_any_order_and_any_number_of_times_changes_nothing(one_store, rows, chance):
    with one_store.writing() as connection:
        connection.execute(delete(verifier_counts))
    counts = [Count(who, DAY, outcome, server, number) for who, outcome, server, number in rows]
    shuffled = counts * 2
    chance.shuffle(shuffled)
    for start in range(0, len(shuffled), 5):
        with one_store.writing() as connection:
            verifiers.tell(connection, shuffled[start : start + 5])
    largest = {}
    for count in counts:
        key = (count.verifier, count.outcome, count.server)
        largest[key] = max(largest.get(key, 0), count.number)
    wanted = {}
    for (who, outcome, _), number in largest.items():
        wanted[who, outcome] = wanted.get((who, outcome), 0) + number
    assert {(who, outcome): number for who, _, outcome, number in totals(one_store)} == wanted


def test_many_threads_count_and_flush_and_nothing_is_lost(store):
    tally = Tally(lambda: NOW, "one")
    threads = [threading.Thread(target=counted, args=(tally, ("a", "good", 2_000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tally.flush(in_database(store))
    tally.flush(in_database(store))
    assert totals(store) == [("a", DAY, "good", 8_000)]


def test_files_of_another_home_are_brought_in_once_however_often(staffed_world, client, tmp_path):
    done(adding(staffed_world, client))
    counts = tmp_path / "verifier-counts"
    tally = Tally(lambda: NOW, "host/1 77 2014")
    counted(tally, ("e-tax", "good", 3), ("e-tax", "revoked", 1))
    tally.flush(in_folder(counts))
    (file,) = counts.iterdir()
    assert file.name == "2014-09-01.host-1-77-2014.json"
    for path in (file, counts, file):
        rows = told(staffed_world, "count", "--from", path)
        assert [(row["day"], row["outcome"], row["count"]) for row in rows] == [
            ("2014-09-01", "good", 3), ("2014-09-01", "revoked", 1)
        ]  # fmt: skip
    counted(tally, ("e-tax", "good", 1))
    tally.flush(in_folder(counts))
    text = done(run("verifier", "count", "--from", counts, "--csv", "--home", staffed_world)).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0] == {
        "verifier": "e-tax", "organisation": TEXTS["--organisation"], "purpose": TEXTS["--purpose"],
        "day": "2014-09-01", "outcome": "good", "count": "4",
    }  # fmt: skip
    assert told(staffed_world, "count", "--since", "2014-09-02") == []
    assert "国税電子申告" in done(run("verifier", "count", "--home", staffed_world, COLUMNS="200")).stdout
    refused(
        run("verifier", "count", "--verifier", "x", "--home", staffed_world),
        "verifier 'x'",
        "is not registered",
    )


GOOD = {"format": 1, "server": "s", "day": "2014-09-01", "counts": {"a": {"good": 1}}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        *(
            json.dumps(GOOD | change).encode()
            for change in (
                {"format": 2},
                {"server": ""},
                {"server": "x" * 81},
                {"server": "a\nb"},
                {"day": "2014-13-01"},
                {"counts": {"A": {"good": 1}}},
                {"counts": {"a": {"good": -1}}},
                {"counts": {"a": {"good": 1 << 63}}},
                {"counts": {"a": {"good": 1.5}}},
                {"counts": {"a": {"x" * 21: 1}}},
                {"more": 1},
            )
        ),
    ],
)
def test_what_is_no_file_of_counts(tmp_path, content):
    path = tmp_path / "counts.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="is no file of counts"):
        read_counts(path)


def test_counts_for_a_verifier_of_another_register_are_refused_whole(store):
    with pytest.raises(BadInput, match="counts for a verifier 'a' that is not registered here"):
        bring_in(store, [Count("a", DAY, "good", "s", 1)], "file")
    assert totals(store) == []


def test_counts_in_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    tally = Tally(lambda: NOW, "one")
    counted(tally, ("a", "good", 1))
    with pytest.raises(StorageFailed):
        tally.flush(in_folder(tmp_path / "file" / "below"))


def test_the_registers_own_errors(store):
    with store.reading() as connection, pytest.raises(NotFound):
        verifiers.find(connection, "nobody")
    with store.writing() as connection, pytest.raises(NotFound):
        verifiers.ending(connection, "nobody", NOW)


# Lists for known verifiers alone


PREFECTURE = "g/jpki-13.g1/crl"


@pytest.fixture(scope="module")
def closed_world(pristine_staffed_world, client, tmp_path_factory):
    """A home whose edition keeps lists for known verifiers, with one in its register."""
    home = shutil.copytree(pristine_staffed_world, tmp_path_factory.mktemp("closed") / "home")
    edition = home / "edition.toml"
    text = edition.read_text(encoding="utf-8")
    assert "[status]" not in text
    edition.write_text(text + '\n[status]\naccess = "known"\nlist_access = "known"\n', encoding="utf-8")
    done(adding(home, client))
    return home


@contextmanager
def application(home, monkeypatch, *proxies):
    monkeypatch.setenv(PROXIES_VARIABLE, "")
    tell_processes(proxies, [])
    with open_world(home, lambda: "") as world:
        nation = world.stores.nation
        practices = world.plan.practices.values()
        with asking(practices, nation, world.clock, in_database(nation), Gauges(world.clock)) as found:
            yield create_app(world, found), found


def test_lists_of_holders_are_for_known_verifiers_and_the_rest_is_open(
    closed_world, client, other, monkeypatch
):
    lists = sorted(
        path.relative_to(closed_world / "repository")
        for path in (closed_world / "repository" / PREFECTURE).glob("*.crl")
    )
    town = next(path for path in lists if path.name.startswith("signature"))
    kept = closed_world / "repository" / town.with_suffix("")
    numbered = town.with_suffix("") / next(kept.glob("*.crl")).name
    holders = [
        f"/{town}",
        f"/{numbered}",
        f"/{PREFECTURE}/full.crl",
        f"/{PREFECTURE}/arl/../full.crl",
        f"//{PREFECTURE}//full.crl",
    ]
    everybodys = [
        f"/{PREFECTURE}/arl.crl", "/manifest.json", "/manifest.p7s", "/g/jpki-13.g1/self.cer",
        f"/{PREFECTURE}/arl/index.json", f"/{town.with_suffix('')}/index.json",
    ]  # fmt: skip
    with application(closed_world, monkeypatch, "10.0.0.1") as (app, found):
        browser = app.test_client()

        def get(path, address="10.0.0.1", **headers):
            with browser.get(path, headers=headers, environ_base={"REMOTE_ADDR": address}) as answer:
                answer.get_data()  # read, and kept
                return answer

        for path in everybodys:
            assert get(path, "192.0.2.1").status_code == 200, path
        for path in holders:
            answer = get(path)
            assert answer.status_code in {403, 308, 404}, path
            assert b"CRL" not in answer.data
        answer = get(holders[0])
        assert answer.status_code == 403
        assert "is for signature verifiers that are registered" in answer.json["detail"]
        assert get(holders[0], "192.0.2.1", **{HEADER: client.header}).status_code == 403
        assert "not in the register" in get(holders[0], **{HEADER: other.header}).json["detail"]
        for path in holders[:3]:
            answer = get(path, **{HEADER: client.header})
            assert answer.status_code == 200, path
            assert answer.data == (closed_world / "repository" / path.lstrip("/")).read_bytes()
            assert "private" in answer.headers["Cache-Control"]
        assert sum(found.tally._sums.values()) == 3
        with open_world(closed_world, lambda: "") as world:
            found.tally.flush(in_database(world.stores.nation))
    rows = told(closed_world, "count", "--verifier", "e-tax")
    assert [(row["outcome"], row["count"] >= 3) for row in rows] == [("list", True)]


def test_lists_are_open_where_the_edition_says_nothing(pristine_world):
    with (
        open_world(pristine_world, lambda: "") as world,
        create_app(world).test_client().get(f"/{PREFECTURE}/full.crl") as answer,
    ):
        assert answer.status_code == 200
        assert "private" not in answer.headers["Cache-Control"]


# A real front


NGINX = """
daemon off; master_process off; error_log stderr; pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{tls} ssl;
    ssl_certificate {server.certificate}; ssl_certificate_key {server.key};
    ssl_verify_client optional_no_ca;
    location / {{
      proxy_pass http://127.0.0.1:{port};
      proxy_set_header ClientCertificate $ssl_client_escaped_cert;
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
    location = /metrics {{ return 404; }}
  }}
}}
"""


class _Quiet(WSGIRequestHandler):
    def log(self, *_):
        """Say nothing."""


@contextmanager
def nginx(folder, app):
    """nginx, which ends TLS before the application."""
    binary = components.require("nginx")
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    tls = free_port()
    configuration = folder / "nginx.conf"
    certificate = make_client(folder, "front", "subjectAltName=IP:127.0.0.1")
    configuration.write_text(
        NGINX.format(folder=folder, tls=tls, port=server.server_port, server=certificate)
    )
    said = folder / "nginx.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [binary, "-p", folder, "-c", configuration], stdin=subprocess.DEVNULL, stderr=log
        )
    try:
        yield f"https://127.0.0.1:{tls}", certificate
    finally:
        process.terminate()
        process.wait(20)
        server.shutdown()
        thread.join(10)
        server.server_close()


def curl(url, front, *options):
    """The status and the body."""
    asked = [
        components.require("curl"), "--silent", "--show-error", "--retry", "20", "--retry-connrefused", "--retry-delay", "1",
        "--cacert", front.certificate, "--write-out", "%{http_code}", *options, url,
    ]  # fmt: skip
    made = subprocess.run(asked, capture_output=True, check=False, timeout=60)
    assert made.returncode == 0, made.stderr
    return int(made.stdout[-3:]), made.stdout[:-3]


def test_a_real_front_passes_on_who_has_the_key(closed_world, client, other, tmp_path, monkeypatch):
    """Forged headers in any spelling are gone behind it, and a certificate counts only with its key."""
    town = closed_world / "repository" / PREFECTURE / "full.crl"
    with (
        application(closed_world, monkeypatch, "127.0.0.1") as (app, _),
        nginx(tmp_path, app) as (url, front),
    ):
        address = f"{url}/{PREFECTURE}/full.crl"
        forged = [
            option
            for name in (
                HEADER,
                HEADER.lower(),
                "Client-Certificate",
                "Client_Certificate",
                "X-ClientCertificate",
            )
            for option in ("--header", f"{name}: {client.header}")
        ]
        shown = ("--cert", client.certificate, "--key", client.key)
        assert curl(address, front, *shown) == (200, town.read_bytes())
        assert curl(address, front, *shown, *forged)[0] == 200
        for options in (
            (),
            forged,
            ("--cert", other.certificate, "--key", other.key),
            ("--cert", other.certificate, "--key", other.key, *forged),
        ):
            status, body = curl(address, front, *options)
            assert status == 403, options
            assert b"signature verifiers" in body
        assert curl(f"{url}/{PREFECTURE}/arl.crl", front)[0] == 200


@contextmanager
def served_behind_a_front(home, folder, monkeypatch):
    """All of a world that is served, status too, behind nginx; gives the URL and the front's certificate."""
    monkeypatch.setenv(PROXIES_VARIABLE, "")
    tell_processes(["127.0.0.1"], [])
    with open_world(home, lambda: "") as world, serving(world) as wsgi, nginx(folder, wsgi) as (url, front):
        curl(f"{url}/health", front)  # it is up
        yield url, front


def test_a_source_shows_a_front_who_asks(closed_world, client, other, tmp_path, monkeypatch):
    path = f"{PREFECTURE}/full.crl"
    with served_behind_a_front(closed_world, tmp_path, monkeypatch) as (url, front):

        def read(path, shown=None, ca=front.certificate):
            files = (None, None) if shown is None else (shown.certificate, shown.key)
            with HttpSource(url, 20, tls=tls_for(url, *files, ca)) as source:
                first = source.read(path, 1 << 20)
                assert source.read(path, 1 << 20) == first, "over the same connection"
                return first

        assert read(path, client) == (closed_world / "repository" / path).read_bytes()
        assert read("manifest.json") == (closed_world / "repository" / "manifest.json").read_bytes()
        for shown in (None, other):
            with pytest.raises(BadInput, match="status 403"):
                read(path, shown)
        with pytest.raises(BadInput, match=r"certificate that is not trusted: .*self-signed"):
            read(path, client, ca=None)
        with pytest.raises(BadInput, match=r"certificate that is not trusted: .*mismatch"):
            HttpSource(
                url.replace("127.0.0.1", "localhost"), tls=tls_for(url, None, None, front.certificate)
            ).read(path, 1)
        with pytest.raises(BadInput, match="longer than 10 octets"):
            HttpSource(url, tls=tls_for(url, client.certificate, client.key, front.certificate)).read(
                path, 10
            )


def test_a_watcher_shows_a_front_who_watches(closed_world, client, tmp_path, monkeypatch):
    """With its certificate it sees every list and status; without, it says what it is not given."""
    with served_behind_a_front(closed_world, tmp_path, monkeypatch) as (url, front):

        def watched(*options):
            said = run(
                "watch", url, "--once", "--json", "--sample", "3", "--home", closed_world,
                "--tls-ca", front.certificate, *options,
            )  # fmt: skip
            return said.status, json.loads(said.stdout)

        done(run("list", "publish", "--home", closed_world))  # and the journal's head
        status, seen = watched("--client-cert", client.certificate, "--client-key", client.key)
        assert seen["findings"] == []
        assert (status, seen["statuses"] > 0) == (0, True)
        status, seen = watched()
        assert status == 1
        assert any("status 403" in finding["problem"] for finding in seen["findings"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("http://127.0.0.1/", "--client-cert", "CERT"), ("--client-cert", "is for a server over https")),
        (("http://127.0.0.1/", "--tls-ca", "CERT"), ("--tls-ca", "is for a server over https")),
        (("https://127.0.0.1/", "--client-key", "KEY"), ("--client-key", "needs --client-cert")),
        (("https://127.0.0.1/", "--client-cert", "CERT"), ("--client-cert", "with its key")),
        (("https://127.0.0.1/", "--client-cert", "KEY", "--client-key", "CERT"), ("--client-cert", "in PEM")),
        (("https://127.0.0.1/", "--client-cert", "CERT", "--client-key", "LOCKED"), ("--client-cert", "not encrypted")),
        (("https://127.0.0.1/", "--client-cert", "CERT", "--client-key", "OTHER"), ("--client-cert", "with its key")),
        (("https://127.0.0.1/", "--client-cert", "NOWHERE"), ("--client-cert", "cannot be read: No such file")),
        (("https://127.0.0.1/", "--tls-ca", "NOWHERE"), ("--tls-ca", "cannot be read: No such file")),
        (("https://127.0.0.1/", "--tls-ca", "KEY"), ("--tls-ca", "no certificates in PEM")),
        (("https://127.0.0.1/?a", "--tls-ca", "CERT"), ("URL", "not of the form https://host")),
        (("ftp://127.0.0.1/",), ("URL", "not of the form http://host")),
    ],
)  # fmt: skip
def test_what_is_no_way_to_speak_tls(client, other, folder, options, words):
    locked = folder / "locked.key"
    openssl("pkcs8", "-topk8", "-in", client.key, "-passout", "pass:secret", "-out", locked)
    files = {
        "CERT": client.certificate, "KEY": client.key, "LOCKED": locked, "OTHER": other.key,
        "NOWHERE": folder / "nowhere",
    }  # fmt: skip
    refused(run("watch", *(files.get(word, word) for word in options), "--once"), *words)


def test_the_page_on_verifiers_shows_what_was_tested():
    """The front's settings in docs/verifiers.md are those of the test above."""
    page = (Path(__file__).parent.parent / "docs" / "verifiers.md").read_text(encoding="utf-8")
    for line in ("ssl_verify_client optional_no_ca;", f"proxy_set_header {HEADER} $ssl_client_escaped_cert;"):
        assert line in page
        assert line in NGINX
