"""``verify`` from folders and servers, as a function and as the command; past moments; servers that misbehave."""

import json
import shutil
import ssl
from contextlib import contextmanager

import pytest
from asn1crypto import pem

from bridge.manifest import Marking
from bridge.relying.finding.fetch import FolderSource, HttpSource
from bridge.relying.finding.snapshot import Snapshot
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import verify
from bridge.repository.directory import publish_entries
from ca.errors import BadInput
from tests import http_servers as tricks
from tests.client_certificates import make_client
from tests.commands import done, refused, run
from tests.http_servers import serving, unused_url
from tests.relying_world import AT, DAY, GPKI_POLICY, HOLDER, JPKI_POLICY, World
from tests.slapd import slapd
from tests.small_edition import HANAKO, holder_key, request, write_json

CROSS = "g/gpki-bca.g1/cross/jpki-bridge.g1.cer"
LIST = "g/jpki-13.g1/crl/signature-131016.crl"
OTHER_LIST = "g/jpki-13.g1/crl/signature-131024.crl"
NUMBERED = "g/jpki-13.g1/crl/signature-131016/1.crl"
INDEX = "g/jpki-13.g1/crl/signature-131016/index.json"
LEAF = World().holder.der()
TRUST = Trust((World().anchor.der(),), frozenset({GPKI_POLICY}), Marking.TEST)


def with_later_lists(days: int) -> World:
    """The holder is revoked on day 2; every list that verifying needs is published anew each day."""
    world = World()
    for day in range(1, days + 1):
        ended = {0x3001: (AT + 2 * DAY, "affiliation_changed")} if day >= 2 else {}
        world.later_list("jpki-13.g1", "signature-131016", revoked=ended)
        world.later_list("gpki-bca.g1", "arl")
        world.later_list("jpki-bridge.g1", "arl")
    return world


@contextmanager
def published(kind, folder):
    """The folder as a source of this kind."""
    if kind == "folder":
        yield FolderSource(folder)
    else:
        with serving(folder) as server, HttpSource(server.url) as source:
            yield source


KINDS = pytest.mark.parametrize("kind", ["folder", "server"])


# Past moments


@pytest.fixture(scope="module")
def five_days(tmp_path_factory):
    return with_later_lists(4).publish(tmp_path_factory.mktemp("five"))


@KINDS
@pytest.mark.parametrize("day", range(-1, 6))
def test_the_list_of_the_day_is_asked(kind, day, five_days):
    with published(kind, five_days) as source:
        snapshot = Snapshot.read(source)
        if day in (0, 1):
            lists = verify(LEAF, snapshot, TRUST, AT + day * DAY).lists
            assert [(used.number, used.this_update) for used in lists] == [
                (day + 1, AT + (day - 1 / 2) * DAY)
            ] * 3
            return
        with pytest.raises(PathRejected) as caught:
            verify(LEAF, snapshot, TRUST, AT + day * DAY)
    # Before the first list and after the last one nobody knows; in between, it was revoked.
    assert caught.value.reason is (Reason.REVOKED if day in (2, 3, 4) else Reason.CANNOT_TELL)


def test_no_certificate_and_no_list_is_fetched_twice(five_days):
    with serving(five_days) as server, HttpSource(server.url) as source:
        snapshot = Snapshot.read(source)
        verify(LEAF, snapshot, TRUST, AT)
        assert len(server.asked) == len(set(server.asked))
        first = list(server.asked)
        verify(LEAF, snapshot, TRUST, AT)
        assert {path.rpartition("/")[2] for path in server.asked[len(first) :]} == {"index.json"}
        assert server.connections == 1


# Servers that misbehave


MISBEHAVIOURS = [
    tricks.hang,
    tricks.hang_in_the_body,
    tricks.drip_headers,
    tricks.drip_body,
    tricks.cut,
    tricks.cut_without_length,
    tricks.cut_in_the_headers,
    tricks.close_at_once,
    tricks.reset,
    tricks.status(404),
    tricks.status(500),
    tricks.huge_by_its_length,
    tricks.huge_in_one_chunk_of_minus_one,
    tricks.huge_headers,
    tricks.not_http,
    tricks.html,
    tricks.empty,
    tricks.another_file(OTHER_LIST),
    tricks.another_file("manifest.json"),
    tricks.another_file(CROSS),
]
SLOW = {tricks.hang, tricks.hang_in_the_body, tricks.drip_headers, tricks.drip_body}


@pytest.mark.parametrize("path", ["manifest.json", CROSS, LIST, INDEX, NUMBERED])
@pytest.mark.parametrize("trick", MISBEHAVIOURS, ids=lambda trick: trick.__qualname__.split(".")[0])
def test_a_server_that_misbehaves_is_never_believed(trick, path, five_days):
    """Whichever file it is that cannot be had, the answer is that one cannot tell, with the file's place."""
    if trick.__qualname__.startswith("another_file") and trick.__closure__[0].cell_contents == path:
        return  # that is the right file
    with (
        serving(five_days, {path: trick}) as server,
        HttpSource(server.url, 0.5 if trick in SLOW else 10) as source,
        pytest.raises((BadInput, PathRejected)) as caught,
    ):
        verify(LEAF, Snapshot.read(source), TRUST, AT)
    error = caught.value
    if path == "manifest.json":
        assert error.place == "manifest.json"
    elif path == CROSS:
        # A certificate of another kind is one that leads nowhere.
        assert error.reason in (Reason.UNREADABLE, Reason.NO_PATH)
        assert error.place == CROSS or error.reason is Reason.NO_PATH
    else:
        assert error.reason is Reason.CANNOT_TELL
        assert path in (error.place, INDEX)
        assert "cannot tell whether the certificate to verify is revoked" in error.problem


def test_a_list_is_not_fetched_from_elsewhere(five_days):
    with serving(five_days) as elsewhere, serving(five_days) as server, HttpSource(server.url) as source:
        server.tricks = {LIST: tricks.redirect_to(elsewhere.url)}
        with pytest.raises(PathRejected, match="sends elsewhere") as caught:
            verify(LEAF, Snapshot.read(source), TRUST, AT)
        assert elsewhere.asked == []
    assert (caught.value.reason, caught.value.place) == (Reason.CANNOT_TELL, LIST)


@pytest.mark.parametrize("numbers", [[], [3, 4], [1, 9], [2], [4, 3, 2, 1]])
def test_an_index_that_lies_gains_nothing(numbers, five_days):
    """It can hide lists, or name ones that are not there; no list of another day is taken for it."""
    content = json.dumps({"numbers": numbers}).encode()
    with (
        serving(five_days, {INDEX: lambda handler: handler.send(200, content)}) as server,
        HttpSource(server.url) as source,
        pytest.raises(PathRejected) as caught,
    ):
        verify(LEAF, Snapshot.read(source), TRUST, AT + (2 if numbers == [2] else 0) * DAY)
    assert caught.value.reason is Reason.CANNOT_TELL


# The command, over a toy world


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A published folder with the files that a verifier has: certificates and the anchor, DER and PEM."""
    place = tmp_path_factory.mktemp("toy")
    world = with_later_lists(4)
    world.publish(place / "published")
    for name, der in {"anchor": world.anchor.der(), "holder": LEAF, "bridge": world.to_bridge.der()}.items():
        (place / f"{name}.cer").write_bytes(der)
        (place / f"{name}.pem").write_bytes(pem.armor("CERTIFICATE", der))
    return place


@pytest.fixture(scope="module")
def toy_url(toy):
    with serving(toy / "published") as server:
        yield server.url


@pytest.fixture
def ask(toy, toy_url):
    """Runs ``verify`` on the holder in a right way, but for the options given; None leaves one out."""

    def ask(certificate="holder.cer", **changes):
        options = {
            "from": toy / "published",
            "anchor": toy / "anchor.cer",
            "policy": GPKI_POLICY,
            "at": day(0),
            **changes,
        }
        given = [(f"--{name}", value) for name, value in options.items() if value is not None]
        words = [str(word).replace("URL", toy_url) for pair in given for word in pair if word is not True]
        return run("verify", toy / certificate, *words)

    return ask


def day(number) -> str:
    return (AT + number * DAY).isoformat()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"from": "URL"},
        {"certificate": "holder.pem"},
        {"certificate": "holder.pem", "anchor": "PEM"},
        {"at": day(1)},
        {"at": day(1), "from": "URL"},
        {"at": "2014-10-01T12:00:00+09:00"},
        {"timeout": 5, "from": "URL"},
    ],
)
def test_valid(changes, ask, toy):
    if changes.get("anchor") == "PEM":
        changes = {**changes, "anchor": toy / "anchor.pem"}
    number = 2 if changes.get("at") == day(1) else 1
    since = "2014-10-01T15:00:00Z" if number == 2 else "2014-09-30T15:00:00Z"
    told = done(ask(**changes)).stdout.splitlines()
    assert [line.rstrip() for line in told] == [
        "verdict   valid",
        f"at        {'2014-10-02' if number == 2 else '2014-10-01'}T03:00:00Z",
        f"path      gpki-bca.g1:{0x1:040x}",
        f"          gpki-bca.g1:{0x1001:040x}",
        f"          jpki-bridge.g1:{0x2001:040x}",
        f"          jpki-13.g1:{0x3001:040x}",
        f"policies  {GPKI_POLICY}",
        f"lists     g/gpki-bca.g1/crl/arl/{number}.crl number {number} of {since}",
        f"          g/jpki-bridge.g1/crl/arl/{number}.crl number {number} of {since}",
        f"          g/jpki-13.g1/crl/signature-131016/{number}.crl number {number} of {since}",
    ]
    machine = done(ask(**changes, json=True)).json
    assert machine["verdict"] == "valid"
    assert machine["lists"][2] == {
        "place": f"g/jpki-13.g1/crl/signature-131016/{number}.crl",
        "number": number,
        "this_update": since,
    }
    assert {machine[name] for name in ("step", "place", "clause", "reason")} == {None}


@pytest.mark.parametrize("origin", [None, "URL"])
@pytest.mark.parametrize(
    ("changes", "verdict", "line"),
    [
        (
            {"at": day(2)},
            ("not valid", 3, "RFC 5280 6.3.3", "revoked"),
            "step 3 (the certificate to verify): revoked since 2014-10-03T03:00:00Z, affiliationChanged",
        ),
        (
            {"at": day(5)},
            ("cannot tell", 1, "RFC 5280 6.3.3 (a)", "cannot tell"),
            "step 1 (g/gpki-bca.g1/crl/arl.crl): cannot tell whether",
        ),
        (
            {"at": day(-1)},
            ("cannot tell", 1, "RFC 5280 6.3.3", "cannot tell"),
            "had no list for it then",
        ),
        (
            {"at": "2010-01-01T00:00:00Z"},
            ("not valid", 0, "RFC 5280 6.1.3 (a)(2)", "not yet valid"),
            "step 0 (anchor 1): is not valid before 2014-06-23T03:00:00Z",
        ),
        (
            {"at": "9999-12-31T23:59:59Z"},
            ("not valid", 0, "RFC 5280 6.1.3 (a)(2)", "expired"),
            "step 0 (anchor 1): expired after",
        ),
        (
            {"policy": JPKI_POLICY},
            ("not valid", 3, "RFC 5280 6.1.3 (f), 6.1.5 (g)", "policy"),
            "is not valid for any policy that the trust accepts",
        ),
        (
            {"anchor": "holder.cer"},
            ("not valid", None, "RFC 5280 6.1", "no path"),
            "the certificate to verify: no path leads to it from an anchor",
        ),
        (
            {"production": True},
            ("not valid", 0, None, "test world"),
            "step 0 (anchor 1): belongs to a test world",
        ),
    ],
    ids=lambda value: ", ".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_no(changes, verdict, line, origin, ask, toy):
    """One line that names verdict, step, place and clause; the same facts as one object; exit status 1."""
    if "anchor" in changes:
        changes = {**changes, "anchor": toy / changes["anchor"]}
    if origin:
        changes = {**changes, "from": origin}
    said = ask(**changes)
    assert (said.status, said.stderr) == (1, "")
    (told,) = said.stdout.splitlines()
    assert told.startswith(f"{verdict[0]}: ")
    assert line in told
    assert verdict[2] is None or told.endswith(f"({verdict[2]})")
    assert HOLDER[-1][1] not in told
    machine = ask(**changes, json=True)
    assert (machine.status, machine.stderr) == (1, "")
    found = tuple(machine.json[name] for name in ("verdict", "step", "clause", "reason"))
    assert found == verdict
    assert set(machine.json) == {"verdict", "at", "step", "place", "clause", "reason", "problem"}


def test_the_bridge_may_be_trusted_itself(ask, toy):
    told = done(ask(anchor=toy / "bridge.cer", policy=JPKI_POLICY, json=True)).json
    assert [step.partition(":")[0] for step in told["path"]] == [
        "jpki-bridge.g1",
        "jpki-bridge.g1",
        "jpki-13.g1",
    ]


def test_several_policies_may_be_accepted(toy):
    certificate = ("verify", toy / "holder.cer", "--from", toy / "published", "--anchor", toy / "anchor.cer")
    told = done(
        run(*certificate, "--at", day(0), "--policy", "2.999.7", "--policy", GPKI_POLICY, "--json")
    ).json
    assert told["policies"] == [GPKI_POLICY]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"anchor": None}, ("--anchor: is needed without a home", "never trusted")),
        ({"policy": None}, ("--policy: is needed without a home", "never trusted")),
        ({"from": None}, ("--from: is needed without a home",)),
        ({"at": "yesterday"}, ("--at: 'yesterday' is not a moment",)),
        ({"at": "2014-10-01T03:00:00"}, ("--at:", "is not a moment")),
        ({"at": ""}, ("--at:", "is not a moment")),
        ({"policy": "anyPolicy"}, ("'anyPolicy' is not one policy's object identifier",)),
        ({"policy": "2.5.29.32.0"}, ("is not one policy's object identifier",)),
        ({"policy": "\x1b[2J"}, ("is not one policy's object identifier",)),
        ({"from": "https://127.0.0.1/?a"}, ("URL: 'https://127.0.0.1/?a' is not of the form https://host",)),
        ({"client-cert": "nothing"}, ("--client-cert: is for a server over https",)),
        ({"from": "URL", "tls-ca": "nothing"}, ("--tls-ca: is for a server over https",)),
        (
            {"from": "ldap://127.0.0.1/", "client-cert": "nothing"},
            ("--client-cert: is for a server over https",),
        ),
        ({"from": "https://127.0.0.1/", "client-key": "nothing"}, ("--client-key: needs --client-cert",)),
        ({"from": "https://127.0.0.1/", "client-cert": "nothing"}, ("--client-cert: cannot be read",)),
        ({"from": "http://user@127.0.0.1/"}, ("is not of the form http://host",)),
        ({"clock": "2014-10-01T00:00Z"}, ("--clock: is a home's", "--at")),
        ({"home": "/nowhere"}, ("home /nowhere: is not a home",)),
        ({"certificate": "nothing.cer"}, ("nothing.cer: cannot be read: No such file",)),
        ({"certificate": "published"}, ("published: cannot be read: Is a directory",)),
        ({"certificate": "empty"}, ("the certificate to verify:",)),
        ({"certificate": "garbage"}, ("the certificate to verify:",)),
        ({"certificate": "broken.pem"}, ("broken.pem: is not PEM",)),
        ({"certificate": "key.pem"}, ("key.pem: is PEM of 'PRIVATE KEY', not of a certificate",)),
        ({"certificate": "long"}, ("long: longer than 262144 octets",)),
        ({"certificate": "half.cer"}, ("the certificate to verify:",)),
        ({"certificate": "published/g/jpki-13.g1/crl/full.crl"}, ("the certificate to verify:",)),
        ({"anchor": "garbage"}, ("anchor 1:",)),
        ({"anchor": "nothing.cer"}, ("nothing.cer: cannot be read",)),
        ({"anchor": "key.pem"}, ("not of a certificate",)),
    ],
    ids=str,
)
def test_a_wrong_question_is_refused(changes, words, ask, toy):
    """It has no verdict: what was handed in is named, as by every command."""
    files = {
        "empty": b"",
        "garbage": bytes(range(256)),
        "long": b"0" * 300_000,
        "broken.pem": b"-----BEGIN CERTIFICATE-----\nMII",
        "key.pem": pem.armor("PRIVATE KEY", b"secret"),
        "half.cer": LEAF[: len(LEAF) // 2],
    }
    for name, content in files.items():
        (toy / name).write_bytes(content)
    if changes.get("anchor"):
        changes = {"anchor": toy / changes["anchor"]}
    refused(ask(**changes), *words)
    machine = ask(**changes, json=True)
    assert (machine.status, machine.stdout) == (1, "")
    assert set(json.loads(machine.stderr)) == {"error", "place", "problem", "clause", "remedy"}


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "soon"])
def test_a_wrong_timeout_is_a_wrong_usage(timeout, ask):
    assert ask(timeout=timeout).status == 2


def cannot_tell(said, place, words):
    assert (said.status, said.stderr) == (1, "")
    (line,) = said.stdout.splitlines()
    assert line.startswith("cannot tell: ")
    assert place in line
    assert words in line
    assert line.isprintable()


def test_a_repository_that_cannot_be_had_has_a_verdict(ask, tmp_path):
    cannot_tell(ask(**{"from": unused_url()}), "manifest.json", "cannot be reached: Connection refused")
    cannot_tell(ask(**{"from": "URLnothing/"}), "manifest.json", "answered with status 404")
    cannot_tell(ask(**{"from": tmp_path}), "manifest.json", "is not in the published folder")
    cannot_tell(ask(**{"from": tmp_path / "none"}), "manifest.json", "is not in the published folder")
    machine = ask(**{"from": tmp_path}, json=True).json
    assert (machine["verdict"], machine["step"], machine["reason"]) == ("cannot tell", None, "unreadable")


@pytest.mark.parametrize(
    ("path", "trick", "words"),
    [
        ("manifest.json", tricks.hang, "did not answer in time"),
        ("manifest.json", tricks.html, "is not a manifest"),
        (CROSS, tricks.status(500), "answered with status 500"),
        (LIST, tricks.drip_body, "did not answer in time"),
        (LIST, tricks.status(404), "answered with status 404"),
        (LIST, tricks.huge_without_length, "longer than"),
        (INDEX, tricks.html, "is not an index of lists"),
        (NUMBERED, tricks.another_file(OTHER_LIST), "the list of another distribution point"),
    ],
)
def test_a_server_that_misbehaves_has_a_verdict(path, trick, words, ask, toy):
    with serving(toy / "published", {path: trick}) as server:
        cannot_tell(ask(**{"from": server.url, "timeout": 1 if trick in SLOW else 60}), path, words)


def test_the_anchor_that_a_repository_names_is_not_believed(ask, tmp_path):
    """A whole foreign world, right in itself, published where ours was."""
    foreign = World()
    shifted = {id(one): one for one in [foreign.anchor, *foreign.crosses.values(), foreign.holder]}
    for one in [*shifted.values(), *(one for found in foreign.lists.values() for one in found)]:
        one.signer += 10
        if id(one) in shifted:
            one.key += 10
    foreign.authorities = {name: (steps, key + 10) for name, (steps, key) in foreign.authorities.items()}
    folder = foreign.publish(tmp_path / "foreign")
    for name, one in {"holder": foreign.holder, "anchor": foreign.anchor}.items():
        (tmp_path / f"{name}.cer").write_bytes(one.der())
    origin = {"from": folder, "certificate": tmp_path / "holder.cer"}
    assert done(ask(**origin, anchor=tmp_path / "anchor.cer")).stdout.startswith("verdict   valid")
    said = ask(**origin)
    assert (said.status, said.stdout.partition(":")[0]) == (1, "not valid")


# The command, with a server that wants to know who asks


@pytest.fixture(scope="module")
def closed(five_days, tmp_path_factory):
    """A server over TLS that lets in who has this client's key alone; with its certificate and the client's."""
    folder = tmp_path_factory.mktemp("closed")
    own = make_client(folder, "server", "subjectAltName=IP:127.0.0.1")
    client = make_client(folder, "client")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client.certificate)
    tls.load_cert_chain(own.certificate, own.key)
    tls.verify_mode = ssl.CERT_REQUIRED
    with serving(five_days, tls=tls) as server:
        yield server, own, client


def test_a_server_is_shown_who_verifies(closed, ask, tmp_path):
    server, own, client = closed
    origin = {"from": server.url, "tls-ca": own.certificate}
    shown = {"client-cert": client.certificate, "client-key": client.key}
    before = len(server.asked)
    for more in ({}, {"explain": True}, {"bundle": tmp_path / "out.zip"}, {"online": "public"}):
        assert done(ask(**origin, **shown, **more)).stdout.startswith("verdict   valid"), more
    asked = len(server.asked)
    assert asked > before
    together = tmp_path / "together.pem"
    together.write_bytes(client.pem + client.key.read_bytes())
    assert done(ask(**origin, **{"client-cert": together})).stdout.startswith("verdict   valid")
    assert len(server.asked) > asked


def test_a_server_that_is_shown_nothing_or_somebody_else_tells_nothing(closed, ask, tmp_path):
    server, own, client = closed
    before = len(server.asked)
    origin = {"from": server.url, "tls-ca": own.certificate}
    other = make_client(tmp_path, "other")
    for shown in ({}, {"client-cert": other.certificate, "client-key": other.key}):
        cannot_tell(ask(**origin, **shown), "manifest.json", "")
    # Nor is a server believed that nobody has vouched for.
    shown = {"client-cert": client.certificate, "client-key": client.key}
    cannot_tell(ask(**{"from": server.url}, **shown), "manifest.json", "certificate that is not trusted")
    assert len(server.asked) == before


# The command, over a home


RESPONDER = "g/jpki-13.g1/ocsp.cer"


def test_a_home_gives_trust_moment_and_repository(pristine_world, tmp_path):
    certificate = pristine_world / "repository" / RESPONDER
    told = done(run("verify", certificate, "--home", pristine_world, "--json")).json
    assert (told["verdict"], told["at"]) == ("valid", "2014-09-01T00:00:00Z")
    assert [step.partition(":")[0] for step in told["path"]] == [
        "gpki-bca.g1", "gpki-bca.g1", "jpki-bridge.g1", "jpki-13.g1",
    ]  # fmt: skip
    # With a home, a served copy needs no further trust; the home's folder is not read.
    with serving(pristine_world / "repository") as server:
        again = run("verify", certificate, "--from", server.url, "--json", KAKEHASHI_HOME=str(pristine_world))
        assert done(again).json == told
        assert "manifest.json" in server.asked
    cannot_tell(
        run("verify", certificate, "--home", pristine_world, "--from", tmp_path), "manifest.json", "is not in"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--production"], "belongs to a test world"),
        (["--policy", "2.999.7"], "is not valid for any policy"),
        (["--at", "2013-01-01T00:00:00Z"], "is not valid before"),
        (["--clock", "2013-01-01T00:00Z"], "is not valid before"),
    ],
)
def test_options_go_before_what_the_home_says(options, words, pristine_world):
    certificate = pristine_world / "repository" / RESPONDER
    said = run("verify", certificate, "--home", pristine_world, *options)
    assert (said.status, said.stderr) == (1, "")
    assert said.stdout.startswith("not valid: ")
    assert words in said.stdout


def test_a_resident_before_and_after_revocation(staffed_world, tmp_path):
    """Valid; revoked; by the lists of before, valid still: from the home, a copy of its folder, and a server."""
    home = ("--home", staffed_world)
    resident = write_json(tmp_path / "hanako.json", HANAKO)
    (tmp_path / "signature.csr").write_bytes(request(holder_key(0)))
    csr = f"signature={tmp_path / 'signature.csr'}"
    done(run("case", "file", "--officer", "sato", "--resident", resident, "--csr", csr, *home))
    done(run("case", "examine", "131016-000001", "--officer", "suzuki", *home))
    done(run("case", "approve", "131016-000001", "--officer", "tanaka", *home))
    done(run("case", "issue", "131016-000001", "--officer", "ito", "--out", tmp_path, *home))
    certificate = tmp_path / "131016-000001-signature.pem"
    before = done(run("verify", certificate, *home, "--json"))
    assert HANAKO["name"] not in before.stdout

    later = ("--clock", "2014-09-02T00:00Z")
    holder = before.json["path"][-1]
    revoke = ("revoke", holder, "--reason", "affiliationChanged", "--officer", "ito")
    done(run(*revoke, *home, *later))
    done(run("list", "publish", *home, *later))

    trust = ("--anchor", staffed_world / "repository/g/gpki-bca.g1/self.cer", "--policy", "2.999.2014.1.1")
    copy = shutil.copytree(staffed_world / "repository", tmp_path / "copy")
    with serving(copy) as server:
        for origin in (home, ("--from", copy, *trust), ("--from", server.url, *trust)):
            then = done(run("verify", certificate, *origin, "--at", "2014-09-01T00:00:00Z", "--json")).json
            assert then["path"] == before.json["path"]
            numbers = [used["number"] for used in before.json["lists"]]
            assert [used["number"] for used in then["lists"]] == numbers
            now = run("verify", certificate, *origin, "--at", "2014-09-02T00:00:01Z")
            assert now.status == 1
            assert now.stdout == (
                "not valid: step 3 (the certificate to verify): "
                "revoked since 2014-09-02T00:00:00Z, affiliationChanged (RFC 5280 6.3.3)\n"
            )


def test_a_directory_is_a_source_too(pristine_world, tmp_path):
    """The home's own folder and an LDAP server that holds the same come to the same path and lists."""
    certificate = pristine_world / "repository" / RESPONDER
    by_folder = done(run("verify", certificate, "--home", pristine_world, "--json")).json
    with slapd(tmp_path / "slapd") as server:
        with server.master() as directory:
            publish_entries(pristine_world / "repository", directory, lambda *_: None)
        by_directory = done(
            run("verify", certificate, "--home", pristine_world, "--from", server.url, "--json")
        ).json
        assert [one["number"] for one in by_directory["lists"]] == [
            one["number"] for one in by_folder["lists"]
        ]
        assert [one.partition(":")[2] for one in by_directory["path"]] == [
            one.partition(":")[2] for one in by_folder["path"]
        ]
    gone = run("verify", certificate, "--home", pristine_world, "--from", server.url)
    assert gone.status == 1
    assert gone.stdout.startswith("cannot tell: ")
