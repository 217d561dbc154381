"""The repository in a directory: names, entries, LDIF, and publication into a real slapd, in an order that keeps paths valid."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import core, x509
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.attributes import (
    AUTHORITY_LIST,
    CA_CERTIFICATE,
    CERTIFICATE_LIST,
    CROSS_PAIR,
    DELTA_LIST,
)
from bridge.directory.connection import Directory, Server, Values
from bridge.directory.names import read_name_text
from bridge.manifest import MANIFEST
from bridge.relying.finding.directory import DirectoryMaterial
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from bridge.repository.contents import publish_all
from bridge.repository.directory import publish_entries, publish_repository
from bridge.repository.entries import read_entries
from bridge.repository.layout import cross_path, list_path, pair_path, self_signed_path
from bridge.repository.ldif import ldif
from ca.errors import BadInput, KakehashiError
from ca.issuing.cycle import IssuedCertificate
from ca.model import ARL, FULL
from ca.revoking.lists.publication import publish_changes
from ca.wire.pairs import certificate_pair
from tests.commands import done, refused, run
from tests.engine_world import EngineWorld, engine_world
from tests.slapd import MASTER, PASSWORD, SUFFIX, Slapd, read_ldif, require_extra, slapd
from tests.test_repository import (
    ANCHOR,
    BRIDGE_KEY,
    LATER,
    NEW,
    OLD,
    add_peer,
    end,
    end_peer,
    holder,
    publish,
    renew,
    succeed,
)

PEER_ENTRY = "ou=root,o=foreign-test,c=jp"
TOTTORI_ENTRY = "ou=tottori ca,ou=prefectural association for jpki,o=jpki-test,c=jp"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with slapd(tmp_path_factory.mktemp("slapd") / "it", secured=True) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    with engine_world(tmp_path / "world") as made:
        publish_all(made.issuers, made.plan, made.repository, at=LATER)
        yield made


def quiet(*_: object) -> None:
    """No progress."""


# Names.


def named(*steps: tuple[str, str]) -> bytes:
    def value(kind: str, text: str) -> x509.NameTypeAndValue:
        chosen = x509.DirectoryString(name="utf8_string", value=core.UTF8String(text))
        return x509.NameTypeAndValue({"type": kind, "value": chosen})

    sequence = [x509.RelativeDistinguishedName([value(*step)]) for step in steps]
    return x509.Name(name="", value=x509.RDNSequence(sequence)).dump()


NAMES = [
    ("simple", [("organization_name", "JPKI"), ("common_name", "A b")], "CN=A b,O=JPKI"),
    ("specials", [("common_name", 'a,b+c"d\\e<f>g;h=i')], r"CN=a\,b\+c\"d\\e\<f\>g\;h\=i"),
    ("spaces at the ends", [("common_name", " a ")], "CN=\\ a\\ "),
    ("one space", [("common_name", " ")], "CN=\\ "),
    ("a number sign", [("common_name", "#1")], "CN=\\#1"),
    ("a zero", [("common_name", "a\0b")], "CN=a\\00b"),
    ("another type", [("serial_number", "1")], "2.5.4.5=#0c0131"),
    ("Japanese", [("common_name", "試験")], "CN=試験"),
]


@pytest.mark.parametrize(("steps", "text"), [pytest.param(*case[1:], id=case[0]) for case in NAMES])
def test_names_are_written_as_rfc_4514_says(steps, text):
    assert read_name_text(named(*steps), "a name") == text


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8), min_size=1, max_size=4
    )
)
def test_libldap_reads_names_as_they_were_meant(texts):
    require_extra()
    from ldap import dn  # noqa: PLC0415 - an extra

    text = read_name_text(named(*(("organizational_unit_name", one) for one in texts)), "a name")
    assert [step[0][1] for step in dn.str2dn(text)] == list(reversed(texts))


@given(st.binary(max_size=60))
def test_what_is_no_name_is_refused(noise):
    try:
        assert read_name_text(noise, "a name")
    except BadInput as error:
        assert error.place == "a name"  # noqa: PT017 - most noise is refused, some is a name


# Entries.


def test_every_value_stands_where_certificates_say(world):
    """One entry for each CA and each distribution point; a value for each generation."""
    succeed(world)
    renew(world)
    publish(world)
    folder = world.repository.folder
    entries = {entry.name.lower(): entry for entry in read_entries(folder)}
    tottori = entries[TOTTORI_ENTRY]
    assert list(tottori.classes) == ["top", "organizationalUnit", "pkiCA"]
    assert {kind: set(paths) for kind, paths in tottori.files.items()} == {
        CA_CERTIFICATE: {
            self_signed_path(OLD), self_signed_path(NEW), cross_path(OLD, NEW), cross_path(NEW, OLD)
        },
        CROSS_PAIR: {pair_path(OLD, BRIDGE_KEY), pair_path(NEW, BRIDGE_KEY)},
        CERTIFICATE_LIST: {list_path(OLD, FULL), list_path(NEW, FULL)},
        AUTHORITY_LIST: {list_path(OLD, ARL), list_path(NEW, ARL)},
    }  # fmt: skip
    points = [entry for entry in entries.values() if "cRLDistributionPoint" in entry.classes]
    manifest = {path for entry in points for path in entry.files[CERTIFICATE_LIST]}
    assert len(manifest) == 2 * 2 * 19 + 1, "of two keys the lists of two kinds in 19 towns; and of posts"
    for entry in points:
        assert entry.naming[0] == "CN"
        values = entry.values(folder, (CERTIFICATE_LIST,))[CERTIFICATE_LIST]
        assert len(values) == len(entry.files[CERTIFICATE_LIST])
    assert [entry.depth for entry in entries.values()] == sorted(entry.depth for entry in entries.values())


def test_what_is_withdrawn_leaves_the_entry(world):
    end(world)
    publish(world)
    entries = {entry.name.lower(): entry for entry in read_entries(world.repository.folder)}
    assert CROSS_PAIR not in entries[TOTTORI_ENTRY].files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"{}", "not a manifest"),
        (b"[" * 100_000, "not a manifest"),
        (b"\xff", "not a manifest"),
    ],
)
def test_a_folder_without_a_manifest_is_refused(world, content, words):
    manifest = world.repository.folder / MANIFEST
    manifest.unlink()
    if content is not None:
        manifest.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read_entries(world.repository.folder)


# Publication.


def test_a_published_directory_is_the_ldif(world, tmp_path):
    """By commands; what ldapadd and slapadd make of the LDIF is what publication makes."""
    succeed(world)
    publish(world)
    folder = world.repository.folder
    with slapd(tmp_path / "published") as server, server.master() as directory:
        first = publish_entries(folder, directory, quiet)
        assert (first.added, first.left_out) == (first.entries, ())
        again = publish_entries(folder, directory, quiet)
        assert (again.entries, again.added, again.replaced) == (first.entries, 0, 0)
        content = server.content()
        file = tmp_path / "nation.ldif"
        file.write_text("".join(ldif(read_entries(folder), folder)))
        with slapd(tmp_path / "loaded", load=file) as loaded:
            assert loaded.content() == content
    with slapd(tmp_path / "added") as added:
        added.add(file)
        assert added.content() == content
    assert read_ldif(file.read_text()) == content
    assert all(len(line) <= 76 for line in file.read_text().splitlines())


def test_a_change_is_all_that_is_written(world, tmp_path):
    folder = world.repository.folder
    with slapd(tmp_path / "slapd") as server, server.master() as directory:
        publish_entries(folder, directory, quiet)
        before = server.content()
        renew(world)
        publish(world)
        changed = publish_entries(folder, directory, quiet)
        pairs = [entry for entry in before.values() if CROSS_PAIR.lower() in entry]
        assert (changed.added, changed.replaced) == (0, len(pairs))
        end(world)
        publish(world)
        publish_entries(folder, directory, quiet)
        after = server.content()
    assert CROSS_PAIR.lower() in before[TOTTORI_ENTRY]
    assert CROSS_PAIR.lower() not in after[TOTTORI_ENTRY]
    assert after.keys() == before.keys()


def test_what_others_have_put_there_stays(world, tmp_path):
    """An entry above ours, with a class and an attribute of its own; and one that we know nothing of."""
    with slapd(tmp_path / "slapd") as server, server.master() as directory:
        directory.add(SUFFIX, {"objectClass": [b"country"], "c": [b"JP"], "description": [b"kept"]})
        name = f"O=JPKI-TEST,{SUFFIX}"
        directory.add(name, {"objectClass": [b"organization"], "o": [b"JPKI-TEST"], "l": [b"kept"]})
        directory.add(f"CN=another,{name}", {"objectClass": [b"applicationProcess"], "cn": [b"another"]})
        publish_entries(world.repository.folder, directory, quiet)
        content = server.content()
    assert content["c=jp"]["description"] == {b"kept"}
    assert content["o=jpki-test,c=jp"]["l"] == {b"kept"}
    assert "cn=another,o=jpki-test,c=jp" in content


@pytest.mark.parametrize("gave", [True, False], ids=["with its own certificate", "without"])
def test_a_peer_keeps_what_it_has_put_there_and_nothing_that_is_withdrawn(world, tmp_path, gave):
    folder = world.repository.folder
    own, for_us = add_peer(world, gave=gave)
    another = (folder / self_signed_path(OLD)).read_bytes()  # a certificate that is in no pair of ours
    theirs = certificate_pair(issued_to_this=another, issued_by_this=for_us)
    ours = certificate_pair(issued_to_this=None, issued_by_this=for_us)
    with slapd(tmp_path / "slapd") as server, server.master() as directory:
        publish_entries(folder, directory, quiet)
        publish(world)
        publish_entries(folder, directory, quiet)
        entry = server.content()[PEER_ENTRY]
        assert entry[CROSS_PAIR.lower()] == {ours}
        directory.replace(PEER_ENTRY, {CROSS_PAIR: [ours, theirs], CA_CERTIFICATE: [own, another]})
        again = publish_entries(folder, directory, quiet)
        assert (again.added, again.replaced) == (0, 0)
        end_peer(world)
        publish(world)
        assert publish_entries(folder, directory, quiet).replaced > 0
        entry = server.content()[PEER_ENTRY]
        assert entry[CROSS_PAIR.lower()] == {theirs}
        assert entry[CA_CERTIFICATE.lower()] == {own, another}
        directory.replace(PEER_ENTRY, {CROSS_PAIR: [ours]})
        publish_entries(folder, directory, quiet)
        assert CROSS_PAIR.lower() not in server.content()[PEER_ENTRY]
        again = publish_entries(folder, directory, quiet)
        assert (again.added, again.replaced) == (0, 0)


class Stopped(Exception):
    pass


class Stopping(Directory):
    """A connection whose user dies after one more writing."""

    left = 1

    def _step(self) -> None:
        if self.left == 0:
            raise Stopped
        self.left -= 1

    def add(self, name: str, values: Values) -> None:
        self._step()
        super().add(name, values)

    def replace(self, *args: Any) -> None:
        self._step()
        super().replace(*args)


def verdict(server: Slapd, world: EngineWorld, of: IssuedCertificate) -> Reason | None:
    anchor = (world.repository.folder / self_signed_path(ANCHOR)).read_bytes()
    trust = Trust((anchor,), frozenset(world.plan.trusted_policies), world.plan.marking)
    with DirectoryMaterial(Server(server.url)) as material:
        try:
            verify(of.encoded, material, trust, LATER)
        except PathRejected as rejected:
            return rejected.reason
    return None


def test_whoever_stops_in_between_leaves_every_path_as_it_was(world, tmp_path):
    """A new key, then a withdrawal, written a step at a time; a verifier asks over LDAP after each."""
    folder = world.repository.folder
    before = holder(world)
    with slapd(tmp_path / "slapd") as server:

        def step_by_step() -> Iterator[None]:
            for _ in range(1000):
                with Stopping(Server(server.url)) as directory:
                    directory.authenticate(MASTER, PASSWORD)
                    try:
                        publish_entries(folder, directory, quiet)
                    except Stopped:
                        yield
                    else:
                        return

        with server.master() as directory:
            publish_entries(folder, directory, quiet)
        assert verdict(server, world, before) is None
        succeed(world)
        renew(world)
        publish(world)
        after = holder(world)
        seen = []
        for _ in step_by_step():
            assert verdict(server, world, before) is None
            seen.append(verdict(server, world, after))
        assert set(seen) == {Reason.NO_PATH, None}
        assert seen == sorted(seen, key=lambda reason: reason is None)
        end(world)
        publish_changes(world.issuers, world.repository, at=LATER)
        publish(world)
        seen = [verdict(server, world, before), *(verdict(server, world, before) for _ in step_by_step())]
        seen.append(verdict(server, world, before))
        order = [None, Reason.REVOKED, Reason.NO_PATH]
        assert seen == sorted(seen, key=order.index)
        assert set(seen) == set(order)


# Commands, passwords and TLS.


@dataclass(frozen=True)
class Home:
    path: Path

    def repo(self, *words: object) -> Any:
        return run("repo", *words, "--home", self.path)


@pytest.fixture
def home(pristine_world: Path, tmp_path: Path) -> Home:
    return Home(shutil.copytree(pristine_world, tmp_path / "home"))


def test_commands_publish_and_export(home, server, tmp_path):
    words = (
        "ldap",
        "publish",
        "--url",
        server.url,
        "--bind-dn",
        MASTER,
        "--password-file",
        server.password_file,
    )
    first = done(home.repo(*words, "--json")).json
    assert first["added"] == first["entries"] > 200
    assert first["left_out"] == []
    assert done(home.repo(*words, "--json")).json | {"added": 0, "attributes_replaced": 0} == first | {
        "added": 0, "attributes_replaced": 0
    }  # fmt: skip
    for secured in (("--url", server.secure_url), ("--url", server.local_url, "--start-tls")):
        again = done(home.repo(*words[:2], *secured, *words[4:], "--ca-file", server.ca_file, "--json")).json
        assert (again["added"], again["attributes_replaced"]) == (0, 0)
    done(home.repo("ldif", "--out", tmp_path / "nation.ldif"))
    assert read_ldif((tmp_path / "nation.ldif").read_text()) == server.content()
    assert done(home.repo("ldif")).stdout == (tmp_path / "nation.ldif").read_text()


def test_a_list_that_is_lost_is_not_taken_from_the_directory(world, tmp_path):
    """Nobody makes entries without it; made anew, it takes the place of the last one."""
    path = world.repository.folder / list_path(OLD, ARL)
    with slapd(tmp_path / "slapd") as server, server.master() as directory:
        publish_repository(world.repository, directory, quiet)
        before = server.content()
        path.unlink()
        with pytest.raises(BadInput, match="is named by the manifest, and lost"):
            publish_repository(world.repository, directory, quiet)
        assert server.content() == before
        publish(world)
        publish_repository(world.repository, directory, quiet)
        assert server.content()[TOTTORI_ENTRY][AUTHORITY_LIST.lower()] == {path.read_bytes()}
        assert server.content() != before


def test_a_server_of_another_country_has_no_place(home, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.slapd.SUFFIX", "c=FR")
    monkeypatch.setattr("tests.slapd.MASTER", "cn=master,c=FR")
    with slapd(tmp_path / "slapd") as server:
        words = ("--url", server.url, "--bind-dn", "cn=master,c=FR", "--password-file", server.password_file)
        outcome = home.repo("ldap", "publish", *words, "--json")
    assert outcome.status == 1
    assert outcome.json["entries"] == 0
    assert len(outcome.json["left_out"]) > 200


REFUSED: list[tuple[str, tuple[str, ...], str]] = [
    ("no such URL", ("--url", "http://127.0.0.1/"), "not of the form ldap://"),
    ("nobody listens", ("--url", "ldap://127.0.0.1:1"), "cannot be reached"),
    ("no such machine", ("--url", "ldaps://nowhere.invalid"), "cannot be reached"),
    ("in the clear", ("--url", "ldap://192.0.2.1"), "in the clear"),
    ("TLS twice", ("--url", "ldaps://localhost", "--start-tls"), "TLS from the first octet already"),
]


@pytest.mark.parametrize(("words", "said"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_what_cannot_be_is_said_in_one_sentence(home, server, words, said):
    outcome = home.repo(
        "ldap", "publish", *words, "--bind-dn", MASTER, "--password-file", server.password_file
    )
    assert PASSWORD not in refused(outcome, said)


def test_a_wrong_password_is_refused_and_not_shown(home, server, tmp_path):
    file = tmp_path / "wrong"
    for word, said in (("a wrong one", "does not accept"), ("", "empty first line")):
        file.write_text(f"{word}\n")
        line = refused(
            home.repo("ldap", "publish", "--url", server.url, "--bind-dn", MASTER, "--password-file", file),
            said,
        )
        assert not word or word not in line


def test_a_server_that_nobody_vouches_for_is_refused(home, server):
    """Its certificate is of a CA that this machine does not know; or of another name."""
    for words in (
        ("--url", server.secure_url),
        ("--url", server.local_url, "--start-tls"),
        ("--url", server.secure_url.replace("localhost", "127.0.0.1"), "--ca-file", server.ca_file),
    ):
        outcome = home.repo(
            "ldap", "publish", *words, "--bind-dn", MASTER, "--password-file", server.password_file
        )
        assert refused(outcome, "cannot be reached: its certificate is not believed")


def test_lists_for_known_verifiers_are_not_handed_on_unasked(home, tmp_path):
    edition = home.path / "edition.toml"
    text = edition.read_text(encoding="utf-8")
    assert "list_access" not in text
    edition.write_text(text + '\n[status]\nlist_access = "known"\n', encoding="utf-8")
    out = tmp_path / "out"
    for words in (("ldif", "--out", out), ("snapshot", out), ("static", out)):
        refused(home.repo(*words), "known verifiers alone")
        assert not out.exists()
    done(home.repo("ldif", "--guarded", "--out", out))


def test_without_python_ldap_it_says_what_is_missing(home, server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ldap", None)
    words = ("--url", server.url, "--bind-dn", MASTER, "--password-file", server.password_file)
    refused(home.repo("ldap", "publish", *words), "needs python-ldap", "kakehashi[ldap]")


# Servers that do not behave.


def answering(answer: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Any:
    @contextmanager
    def serving() -> Iterator[str]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, 0), family=family)
        stopping = threading.Event()

        def run_server() -> None:
            while True:
                try:
                    connected, _ = listening.accept()
                except OSError:
                    return
                with connected:
                    connected.settimeout(10)
                    try:
                        if connected.recv(4096):
                            answer(connected)
                            stopping.wait(10)
                    except OSError:
                        pass

        thread = threading.Thread(target=run_server)
        thread.start()
        try:
            yield f"ldap://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        finally:
            stopping.set()
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            thread.join()

    return serving


def ldap_message(number: int, operation: bytes) -> bytes:
    body = bytes((2, 1, number)) + operation
    return b"\x30\x84" + len(body).to_bytes(4, "big") + body


def without_end(octets: bytes) -> Callable[[socket.socket], None]:
    def answer(connected: socket.socket) -> None:
        while True:
            connected.sendall(octets)

    return answer


def close(connected: socket.socket) -> None:
    connected.shutdown(socket.SHUT_RDWR)


ENTRY = bytes.fromhex("64070403633d78" + "3000")
BEHAVIOUR: list[tuple[str, Callable[[socket.socket], None], str]] = [
    ("silent", lambda _: None, "in time"),
    ("gone", close, "closed the connection"),
    ("not LDAP", lambda it: it.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "cannot be reached|in time|as a directory does"),
    ("huge", without_end(b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01\x64" + b"x" * 65536), "longer than"),
    ("entries without end", without_end(ldap_message(1, ENTRY) * 1000), "longer than|in time|as a directory does"),
    ("a drip", lambda it: it.sendall(b"\x30"), "in time"),
    ("busy", lambda it: it.sendall(ldap_message(1, bytes.fromhex("65070a013304000400"))), "refuses: Server is busy"),
    ("noise for a name", lambda it: it.sendall(ldap_message(1, bytes.fromhex("64060402ffff3000")) + ldap_message(1, bytes.fromhex("65070a010004000400"))), "as a directory does|refuses"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "words"), [pytest.param(*case[1:], id=case[0]) for case in BEHAVIOUR])
def test_a_server_that_does_not_behave_ends_in_bounded_time_and_octets(answer, words):
    require_extra()
    with answering(answer)() as url, Directory(Server(url), 1.0) as directory:
        with pytest.raises(BadInput, match=words) as refused_:
            directory.read("C=JP", (CERTIFICATE_LIST,), 1 << 20)
        assert refused_.value.place == f"{url} C=JP"
        with pytest.raises(KakehashiError):  # and there is no more time than was given
            directory.read("C=JP", (DELTA_LIST,), 1 << 20)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_server_is_reached_by_its_address(host):
    require_extra()
    words = ldap_message(1, ENTRY) + ldap_message(1, bytes.fromhex("65070a010004000400"))
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with answering(lambda it: it.sendall(words), host)() as url, Directory(Server(url), 10.0) as directory:
        assert directory.read("C=JP", (CERTIFICATE_LIST,)) == {}
    with pytest.raises(BadInput, match="is not of the form"):
        Server("ldap://::1").parts()
