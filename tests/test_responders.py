"""Responders: their certificates follow each other, and they can live in a home of their own that knows nothing else."""

import json
import os
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import ocsp, x509
from cryptography import x509 as judge
from sqlalchemy import text, update

from bridge.repository.contents import publish_certificates
from bridge.repository.layout import service_path
from ca.clock import system_clock
from ca.errors import HomeRefused, KeyRefused, PassphraseRefused, StorageFailed, TokenFailed
from ca.issuing import cycle
from ca.issuing.cycle import Intended
from ca.issuing.founding import found
from ca.issuing.renewal import renew_responders
from ca.keys.vault import KeyId, SealedVault
from ca.model import CertificateKind, GenerationId, RevocationReason
from ca.revoking.deciding.by_hand import revoke
from ca.store import responders
from ca.store.certificates import CertificateState
from ca.store.engine import Store, sqlite_url
from ca.store.tables import certificates
from front.assembly import open_world
from front.responding import open_responders, serving
from front.worker import Worker
from ocsp.responder import open_responder
from tests import commands, small_edition
from tests.engine_world import NOW, engine_world
from tests.ocsp_world import LATER, call, request_for
from tests.served_world import BOTH, START, holders, small_home
from tests.small_edition import HANAKO

PREFECTURE, BRIDGE = GenerationId.parse("jpki-31.g1"), GenerationId.parse("jpki-bridge.g1")
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
ENDS = NOW.replace(microsecond=0) + 30 * DAY - SECOND
DUE = ENDS - 7 * DAY
"""What the edition says: 30 days, the next one 7 days before the end."""


@pytest.fixture
def world(tmp_path):
    with engine_world(tmp_path / "world") as made:
        yield made


def renew(world, at):
    return renew_responders(world.issuers, chance=world.chance, at=at)


def newest(world, generation=PREFECTURE):
    with world.stores.of(generation.authority).reading() as connection:
        (one,) = responders.newest(connection, generation)
    return one


def all_newest(world):
    with world.store.reading() as connection:
        return {one.generation: one for one in responders.newest(connection)}


class TestRenewal:
    def test_before_the_overlap_nothing_is_renewed_and_from_then_on_everything_once(self, world):
        before = all_newest(world)
        assert renew(world, DUE - SECOND) == []
        renewed = renew(world, DUE)
        assert {one.id.generation for one in renewed} == before.keys()
        assert renew(world, DUE) == []
        assert renew(world, ENDS + DAY) == []
        for generation, now in all_newest(world).items():
            then = before[generation]
            assert (now.key, now.number) == (then.key, then.number + 1)
            assert now.certificate != then.certificate
            assert (now.period.not_before, now.period.not_after) == (DUE, DUE + 30 * DAY - SECOND)

    def test_the_next_one_is_the_last_one_but_for_serial_and_time(self, world):
        old = judge.load_der_x509_certificate(
            world.stores.certificates([newest(world).certificate])[0].encoded
        )
        renew(world, DUE)
        new = judge.load_der_x509_certificate(
            world.stores.certificates([newest(world).certificate])[0].encoded
        )
        assert new.serial_number != old.serial_number
        assert (new.subject, new.issuer, new.public_key()) == (old.subject, old.issuer, old.public_key())
        assert list(new.extensions) == list(old.extensions)
        issuer = world.issuers.of(PREFECTURE)
        self_signed = world.stores.certificates(
            [replace(newest(world).certificate, serial=issuer.record.serial)]
        )
        new.verify_directly_issued_by(judge.load_der_x509_certificate(self_signed[0].encoded))

    def test_the_journal_and_the_archive_have_it_like_every_certificate(self, world):
        renew(world, DUE)
        one = newest(world)
        said = b"".join(path.read_bytes() for path in (world.folder / "journal").glob("*.jsonl"))
        assert said.count(str(one.certificate).encode()) == 2, "intended, and issued"

    def test_responders_answer_with_the_newest_and_it_is_the_one_that_is_published(self, world):
        publish_certificates(world.stores, world.repository)
        path = world.repository.folder / service_path(PREFECTURE, CertificateKind.OCSP_RESPONDER)
        old = path.read_bytes()
        renew(world, DUE)
        assert publish_certificates(world.stores, world.repository) == len(all_newest(world))
        assert publish_certificates(world.stores, world.repository) == 0
        opened = open_responder(world.issuers, PREFECTURE, timedelta(hours=1))
        assert path.read_bytes() == opened.facts.certificate.der != old

    @pytest.mark.parametrize("turn", [1, 2])
    def test_of_two_at_once_one_renews(self, world, turn):
        others = []
        with world.before_turn(lambda: others.extend(renew(world, DUE)), turn):
            mine = renew(world, DUE)
        assert {one.id for one in mine} == ({one.id for one in others} if turn == 2 else set())
        assert len(others) == len(all_newest(world))
        assert {one.number for one in all_newest(world).values()} == {2}

    def test_what_could_not_be_signed_is_signed_next_time_and_does_not_hold_up_the_others(self, world):
        class Gone:
            def __init__(self, signer):
                self.public_key = signer.public_key

            def sign(self, *_):
                raise TokenFailed("token", "is not there")

        signer = world.issuers.of(PREFECTURE).signer
        world.interpose(PREFECTURE, Gone)
        with pytest.raises(TokenFailed):
            renew(world, DUE)
        intended = newest(world)
        assert intended.state is CertificateState.INTENDED
        others = [one for generation, one in all_newest(world).items() if generation != PREFECTURE]
        assert {(one.state, one.number) for one in others} == {(CertificateState.ISSUED, 2)}
        world.interpose(PREFECTURE, lambda _: signer)
        (signed,) = renew(world, DUE + DAY)
        assert signed.id == intended.certificate
        assert newest(world).number == 2

    def test_one_that_was_revoked_gets_no_next_one(self, world):
        revoke(
            world.stores, newest(world).certificate, RevocationReason.KEY_COMPROMISE, "operator", at=NOW + DAY
        )
        assert PREFECTURE not in {one.id.generation for one in renew(world, DUE)}

    def test_the_last_one_ends_with_the_authority(self, world):
        end = world.issuers.of(PREFECTURE).record.period.not_after
        renew(world, end - 10 * DAY)
        assert newest(world).period.not_after == end
        assert renew(world, end - DAY) == []
        assert renew(world, end + DAY) == []


class TestRetiring:
    """The authority signs with its second key; its first one's responder goes on."""

    @pytest.fixture
    def retired(self, world):
        world.issued()
        practice = world.issuers.practice(PREFECTURE.authority)
        second = GenerationId(PREFECTURE.authority, 2)
        key = KeyId(str(second))
        signer = world.vault.create(key, practice.suite)
        issuer, prepared = found(practice, second, key=key, signer=signer, chance=world.chance, at=NOW + DAY)
        with world.stores.recording() as recording:
            recording.note(issuer.record.entry())
            cycle.intend(recording, [Intended(prepared)], NOW + DAY)
        with world.stores.recording() as recording:
            cycle.complete(recording, [cycle.sign(prepared, NOW + DAY)], NOW + DAY)
        assert world.issuer("jpki-31").id == second
        return world

    def test_it_is_renewed_while_anything_that_the_old_key_signed_is_valid(self, retired):
        assert PREFECTURE in {one.id.generation for one in renew(retired, DUE)}
        answer = open_responder(retired.issuers, PREFECTURE, timedelta(hours=1)).answer(
            request_for(issuer_of(retired), 5), ENDS + DAY
        )
        assert ocsp.OCSPResponse.load(answer.octets)["response_status"].native == "successful"

    def test_it_is_not_renewed_when_nothing_is(self, retired):
        with retired.store.writing() as connection:
            connection.execute(
                update(certificates)
                .where(
                    certificates.c.generation == str(PREFECTURE),
                    certificates.c.kind.not_in(["ocsp-responder", "self-signed"]),
                )
                .values(not_after=DUE - SECOND)
            )
        assert PREFECTURE not in {one.id.generation for one in renew(retired, DUE)}


def issuer_of(world):
    record = world.issuers.of(PREFECTURE).record
    (own,) = world.stores.certificates([replace(newest(world).certificate, serial=record.serial)])
    return x509.Certificate.load(own.encoded)


class TestTheWorker:
    def test_it_renews_and_publishes(self, tmp_path):
        home = small_home(tmp_path / "home")
        files = sorted(home.folder.glob("repository/g/*/ocsp.cer"))
        before = [path.read_bytes() for path in files]
        with open_world(home.folder, str, (START + 10 * DAY, 1.0)) as world:
            Worker(world)._renew_responders()
        assert [path.read_bytes() for path in files] == before
        with open_world(home.folder, str, (START + 25 * DAY, 1.0)) as world:
            Worker(world)._renew_responders()
        after = [path.read_bytes() for path in files]
        assert not set(before) & set(after)
        said = commands.done(commands.run("responder", "list", "--home", home.folder, "--json")).json
        assert {row["certificates"] for row in said} == {2}
        assert len(said) == len(files)


# Homes of responders alone

WORLDS, THEIRS = "passphrase of the world", "passphrase of the responders"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """A world with keys of its own, in which somebody has applied."""
    folder = tmp_path_factory.mktemp("sealed")
    (folder / "edition.toml").write_text(edition(), encoding="utf-8")
    making = ("--edition", folder / "edition.toml", "--home", folder / "home")
    own = ("--authority-database", "jpki-31=sqlite:///tottori.db")
    commands.done(commands.run("init", *making, *own, KAKEHASHI_PASSPHRASE=WORLDS))
    (folder / "theirs").write_text(THEIRS)
    (folder / "worlds").write_text(WORLDS)
    small_edition.write_json(folder / "hanako.json", HANAKO)
    key = small_edition.holder_key(0)
    (folder / "csr").write_bytes(small_edition.request(key))
    commands.done(
        commands.run("officer", "add", "sato", "--office", HANAKO["municipality"], "--role", "reception",
                     "--home", folder / "home", KAKEHASHI_PASSPHRASE=WORLDS)
    )  # fmt: skip
    commands.done(
        commands.run("case", "file", "--officer", "sato", "--resident", folder / "hanako.json",
                     "--csr", f"signature={folder / 'csr'}", "--home", folder / "home", KAKEHASHI_PASSPHRASE=WORLDS)
    )  # fmt: skip
    return folder


def edition() -> str:
    return small_edition.replaced(small_edition.small_edition(), r'\["13", "31", "33"\]', '["13", "31"]')


def export(sealed: Path, target: Path, *options, file="theirs"):
    return commands.run(
        "responder", "export", target, "--new-passphrase-file", sealed / file, *options,
        "--home", sealed / "home", KAKEHASHI_PASSPHRASE=WORLDS,
    )  # fmt: skip


class TestExport:
    @pytest.fixture(scope="class")
    @classmethod
    def exported(cls, sealed, tmp_path_factory):
        target = tmp_path_factory.mktemp("exported") / "answers"
        commands.done(export(sealed, target))
        return target

    def test_it_has_the_responders_keys_and_no_other(self, sealed, exported):
        with open_world(sealed / "home", lambda: WORLDS) as world:
            wanted = {}
            for store in world.stores.each():
                with store.reading() as connection:
                    for one in responders.newest(connection):
                        wanted[one.key] = world.vault().signer(KeyId(one.key)).public_key
            forbidden = {record.public_key for record in world.stores.generations()}
            codes = world.vault().code_key()
        with closing(SealedVault.open(exported / "keys", THEIRS)) as vault:
            keys = {path.name.removesuffix(".key.json") for path in (exported / "keys").glob("*.key.json")}
            assert {key: vault.signer(KeyId(key)).public_key for key in keys} == wanted
            assert not forbidden & set(wanted.values())
            assert vault.code_key() != codes, "the archive's key is made of it too"
        with pytest.raises(PassphraseRefused):
            SealedVault.open(exported / "keys", WORLDS)

    def test_it_has_nothing_else(self, sealed, exported):
        keys = {name for name in commands.tree(exported) if name.startswith("keys/")}
        assert commands.tree(exported).keys() - keys == {
            "home.toml", "home.lock", "edition.toml", "municipalities.csv", "keys",
        }  # fmt: skip
        assert keys == {
            "keys/wrapping.json",
            *(
                f"keys/{name}.g1.ocsp.key.json"
                for name in ("gpki-bca", "gpki-post", "jpki-bridge", "jpki-13", "jpki-31")
            ),
        }
        for name in ("edition.toml", "municipalities.csv"):
            assert (exported / name).read_bytes() == (sealed / "home" / name).read_bytes()

    @pytest.mark.parametrize("particular", ["code", "name", "address", "birth_date"])
    def test_it_tells_of_nobody(self, exported, particular):
        for name, octets in commands.tree(exported).items():
            assert HANAKO[particular].encode() not in (octets or b""), name

    def test_nobody_else_may_look_into_it(self, exported):
        assert exported.stat().st_mode & 0o777 == 0o700
        for path in exported.glob("keys/*"):
            assert path.stat().st_mode & 0o777 == 0o600

    def test_again_it_changes_nothing_and_gives_back_what_was_lost(self, sealed, exported):
        before = commands.tree(exported)
        commands.done(export(sealed, exported))
        assert commands.tree(exported) == before
        gone = exported / "keys" / "jpki-13.g1.ocsp.key.json"
        gone.unlink()
        commands.done(export(sealed, exported))
        assert gone.is_file()

    def test_databases_are_named_as_they_are_seen_from_there(self, sealed, tmp_path):
        copies = (
            "--database",
            "postgresql://asks@replica/nation",
            "--authority-database",
            "jpki-31=sqlite:////copy.db",
        )
        commands.done(export(sealed, tmp_path / "answers", *copies))
        said = (tmp_path / "answers" / "home.toml").read_text()
        assert 'database = "postgresql+psycopg://asks@replica/nation"' in said
        assert 'jpki-31 = "sqlite:////copy.db"' in said

    @pytest.mark.parametrize(
        ("options", "file", "words"),
        [
            ((), "worlds", ["passphrase", "opens the keys of the CAs too"]),
            (
                ("--authority-database", "jpki-13=sqlite:////copy.db"),
                "theirs",
                ["jpki-13", "no database of its own"],
            ),
            (("--database", "postgresql://asks:secret@replica/nation"), "theirs", ["--database", "password"]),
            (("--database", "mysql://replica/nation"), "theirs", ["--database", "not the URL"]),
        ],
    )
    def test_what_is_refused_leaves_nothing(self, sealed, tmp_path, options, file, words):
        commands.refused(export(sealed, tmp_path / "answers", *options, file=file), *words)
        assert not (tmp_path / "answers").exists()

    def test_a_folder_with_something_else_is_left_alone(self, sealed, exported, tmp_path):
        (tmp_path / "letter").write_text("dear")
        commands.refused(export(sealed, tmp_path), "other things")
        commands.refused(export(sealed, sealed / "home"), "whole home")
        small_home(tmp_path / "other")
        other = commands.run(
            "responder", "export", exported, "--new-passphrase-file", sealed / "theirs",
            "--home", tmp_path / "other",
        )  # fmt: skip
        commands.refused(other, "another world's responders")

    def test_without_a_passphrase_of_its_own_there_is_none(self, sealed, tmp_path):
        said = commands.run(
            "responder", "export", tmp_path / "a", "--home", sealed / "home", KAKEHASHI_PASSPHRASE=WORLDS
        )
        commands.refused(said, "passphrase", "--new-passphrase-file")

    @pytest.mark.parametrize(
        "command",
        [
            ("case", "list"), ("list", "publish"), ("upgrade",), ("work",), ("serve",),
            ("responder", "list"),
        ],
    )  # fmt: skip
    def test_it_is_no_home_for_anything_else(self, exported, command):
        said = commands.run(*command, "--home", exported, KAKEHASHI_PASSPHRASE=THEIRS)
        commands.refused(said, "has responders, and nothing else", "--role ocsp")

    def test_a_whole_home_is_not_served_as_responders(self, sealed):
        said = commands.run("serve", "--role", "ocsp", "--home", sealed / "home", KAKEHASHI_PASSPHRASE=WORLDS)
        commands.refused(said, "is a whole home", "responder export")

    def test_a_wrong_passphrase_is_said(self, exported):
        said = commands.run("serve", "--role", "ocsp", "--home", exported, KAKEHASHI_PASSPHRASE=WORLDS)
        commands.refused(said, "passphrase")

    def test_another_homes_database_is_refused(self, sealed, tmp_path):
        other = tmp_path / "home.db"
        with closing(Store.open(sqlite_url(other))) as store, store.writing() as connection:
            connection.execute(text("CREATE TABLE things (a)"))
        commands.done(export(sealed, tmp_path / "answers", "--database", f"sqlite:///{other}"))
        with (
            pytest.raises(HomeRefused, match="no schema"),
            open_responders(tmp_path / "answers", lambda: THEIRS),
        ):
            pass


class TestServing:
    """A home of responders beside the one that it is from: they meet in the database alone."""

    @pytest.fixture
    def home(self, tmp_path):
        return small_home(tmp_path / "home")

    @contextmanager
    def answers(self, home, tmp_path):
        (tmp_path / "theirs").write_text(THEIRS)
        target = tmp_path / "answers"
        commands.done(
            commands.run("responder", "export", target, "--new-passphrase-file", tmp_path / "theirs", "--home", home.folder)
        )  # fmt: skip
        with open_responders(target, lambda: THEIRS) as opened:
            yield opened

    def test_it_answers_while_it_hears_of_the_primary_and_not_after(self, home, tmp_path):
        (person,) = holders(home, 1)
        certificate = person.certificates[BOTH[0]]
        own = x509.Certificate.load(
            (home.folder / f"repository/g/{certificate.generation}/self.cer").read_bytes()
        )
        request = request_for(own, certificate.serial)
        path = f"/ocsp/{certificate.generation}"
        with self.answers(home, tmp_path) as opened, open_world(home.folder, str) as world:
            before = commands.tree(tmp_path / "answers")
            with serving(opened) as wsgi:
                assert call(wsgi, "POST", path, request).body == LATER, "it has never heard of the primary"
                assert call(wsgi, "GET", "/ready").status == 503
            world.stores.beat(world.clock(), system_clock())
            with serving(opened) as wsgi:
                assert status(call(wsgi, "POST", path, request)) == "good"
                assert call(wsgi, "GET", "/ready").status == 200
                assert json.loads(call(wsgi, "GET", "/health").body)["role"] == "ocsp"
                said = call(wsgi, "GET", "/metrics", REMOTE_ADDR="127.0.0.1").body.decode()
                assert 'kakehashi_ocsp_responder_remaining_days{generation="jpki-13.g1"} 29.' in said
                for other in ("/", "/api/cases", "/manifest.json", "/g/jpki-13.g1/self.cer", "/readyx"):
                    assert call(wsgi, "GET", other).status == 404
            revoke(world.stores, certificate, RevocationReason.KEY_COMPROMISE, "ito", at=world.clock())
            world.stores.beat(world.clock(), system_clock())
            with serving(opened) as wsgi:
                assert status(call(wsgi, "POST", path, request)) == "revoked"
            world.stores.beat(world.clock(), system_clock() - timedelta(seconds=60))
            with serving(opened) as wsgi:
                assert call(wsgi, "POST", path, request).body == LATER
                assert call(wsgi, "GET", "/ready").status == 503
            assert commands.tree(tmp_path / "answers") == before, "it writes nothing"

    def test_its_database_cannot_be_written(self, home, tmp_path):
        with (
            self.answers(home, tmp_path) as opened,
            pytest.raises(StorageFailed, match="readonly"),
            opened.copies.nation.writing() as connection,
        ):
            connection.execute(text("DELETE FROM revocations"))

    def test_a_key_that_is_not_there_is_none_of_its_own(self, home, tmp_path):
        with self.answers(home, tmp_path) as opened, pytest.raises(KeyRefused, match="missing"):
            opened.vault.signer(KeyId("jpki-13.g1"))

    @pytest.mark.parametrize("name", ["a?b#c %41.db", "mode=rwc&x"])
    def test_a_files_name_is_not_taken_for_more(self, tmp_path, name):
        file = tmp_path / name
        with closing(Store.open(sqlite_url(file))) as store, store.writing() as connection:
            connection.execute(text("CREATE TABLE t (a)"))
        with (
            closing(Store.open_to_read(sqlite_url(file))) as store,
            pytest.raises(StorageFailed, match="readonly"),
            store.writing() as connection,
        ):
            connection.execute(text("INSERT INTO t VALUES (1)"))
        with (
            closing(Store.open_to_read(sqlite_url(tmp_path / "none.db"))) as store,
            pytest.raises(StorageFailed),
            store.reading(),
        ):
            pass
        assert not os.path.lexists(tmp_path / "none.db"), "reading makes none"


def status(reply) -> str:
    """What an answer says of the one certificate that was asked about."""
    read = ocsp.OCSPResponse.load(reply.body)
    assert read["response_status"].native == "successful"
    (one,) = read.response_data["responses"]
    return one["cert_status"].name
