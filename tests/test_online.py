"""What certificates name by URL: files of certificates, single ones, lists, deltas and answers, from servers good and bad."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509

from bridge.manifest import Marking
from bridge.relying.budget import Limits
from bridge.relying.finding.online import Addresses, Online
from bridge.relying.finding.online import _question as question
from bridge.relying.finding.online import _require_public as require_public
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import VerifiedPath, verify
from ca.errors import BadInput
from ca.wire import der
from ca.wire.cms import certs_only
from ca.wire.facts import read_certificate
from front.demo.openssl import run as openssl
from front.demo.openssl import write_certificate
from tests import http_servers as bad
from tests.commands import run
from tests.http_servers import Server, Trick, serving
from tests.relying_world import ANCHOR, AT, BRIDGE, DAY, GPKI_POLICY, PREFECTURE, Cert, Crl, World, o

LIMITS = Limits(seconds=3.0)
"""No test waits for long."""


def uri(url: str) -> x509.GeneralName:
    """A URI as it stands, whatever it is."""
    return x509.GeneralName.load(der.value(0x86, url.encode()))


def access(**urls: str) -> tuple[str, bool, object]:
    """authorityInfoAccess or subjectInfoAccess of these methods, as an extension of a certificate to be made."""
    found = [{"access_method": method, "access_location": uri(url)} for method, url in urls.items()]
    if "ca_repository" in urls:
        return "subject_information_access", False, x509.SubjectInfoAccessSyntax(found)
    return "authority_information_access", False, x509.AuthorityInfoAccessSyntax(found)


def points(*urls: str) -> tuple[str, bool, object]:
    """cRLDistributionPoints of URLs."""
    names = [
        x509.DistributionPointName(name="full_name", value=x509.GeneralNames([uri(url)])) for url in urls
    ]
    value = x509.CRLDistributionPoints([{"distribution_point": name} for name in names])
    return "crl_distribution_points", False, value


class Web:
    """The toy nation with URLs in its certificates, and its files in a folder that a server offers."""

    def __init__(self, folder: Path, url: str, *, by: str = "aia", single: bool = False) -> None:
        """Write it.

        Args:
            folder: Where.
            url: What the server offers it under.
            by: ``aia`` if certificates name their issuers', ``sia`` if CAs name what they have issued.
            single: Whether caIssuers give one certificate, not a file of many.
        """
        world = World()
        self.folder = folder
        bridge, prefecture = world.crosses.values()
        chain = {"anchor": world.anchor, "bridge": bridge, "prefecture": prefecture, "holder": world.holder}
        issuers = list(chain)
        for issuer, name in pairwise(issuers):
            one = chain[name]
            one.point = None
            one.more = [points(f"{url}{issuer}.crl")]
            if by == "aia":
                one.more.append(access(ca_issuers=f"{url}{issuer}.{'cer' if single else 'p7c'}"))
            else:
                chain[issuer].more.append(access(ca_repository=f"{url}by-{issuer}.p7c"))
        self.encoded = {name: one.der() for name, one in chain.items()}
        folder.mkdir(exist_ok=True)
        for name, octets in self.encoded.items():
            self.write(f"{name}.cer", octets)
            self.write(f"{name}.p7c", certs_only([octets, self.encoded["anchor"]]))
        for issuer, name in pairwise(issuers):
            self.write(f"by-{issuer}.p7c", certs_only([self.encoded[name]]))
        self.lists = {
            "anchor": Crl("gpki-bca.g1", "full", ANCHOR, 0),
            "bridge": Crl("jpki-bridge.g1", "full", BRIDGE, 1),
            "prefecture": Crl("jpki-13.g1", "full", PREFECTURE, 2),
        }
        for name, one in self.lists.items():
            self.write(f"{name}.crl", one.der())

    def write(self, name: str, octets: bytes) -> None:
        (self.folder / name).write_bytes(octets)

    def material(self, limits: Limits = LIMITS) -> Online:
        return Online([self.encoded["anchor"]], limits, Addresses.ANY)

    def verified(self, material: Online | None = None) -> VerifiedPath:
        trust = Trust((self.encoded["anchor"],), frozenset({GPKI_POLICY}), Marking.TEST)
        return verify(self.encoded["holder"], material or self.material(), trust, AT)

    def rejected(self, material: Online | None = None) -> PathRejected:
        with pytest.raises(PathRejected) as rejected:
            self.verified(material)
        return rejected.value


@contextmanager
def web(folder: Path, tricks: Mapping[str, Trick] | None = None, **how: Any) -> Iterator[tuple[Web, Server]]:
    with serving(folder, tricks) as server:
        yield Web(folder, server.url, **how), server


# What is there is found.


@pytest.mark.parametrize(
    "how", [{}, {"single": True}, {"by": "sia"}], ids=["files of many", "one at a time", "from above"]
)
def test_a_path_is_found_and_every_url_is_asked_once(tmp_path, how):
    with web(tmp_path, **how) as (nation, server):
        material = nation.material()
        path = nation.verified(material)
        assert [read_certificate(one, "step").serial for one in path.certificates] == [
            1,
            0x1001,
            0x2001,
            0x3001,
        ]
        assert [used.place for used in path.lists] == [
            f"{server.url}{name}.crl" for name in ("anchor", "bridge", "prefecture")
        ]
        asked = list(server.asked)
        assert len(asked) == len(set(asked))
        assert nation.verified(material) == path
        assert server.asked == asked


@pytest.mark.parametrize(("online", "verdict"), [("any", "valid"), ("public", "cannot tell")])
def test_the_command_follows_urls_where_it_may(tmp_path, online, verdict):
    with web(tmp_path) as (nation, _):
        for name in ("anchor", "holder"):
            (tmp_path / name).write_bytes(nation.encoded[name])
        said = run(
            "verify", tmp_path / "holder", "--online", online, "--anchor", tmp_path / "anchor",
            "--policy", GPKI_POLICY, "--at", f"{AT:%Y-%m-%dT%H:%M:%SZ}", "--json",
        )  # fmt: skip
    assert json.loads(said.stdout)["verdict"] == verdict
    assert said.status == (verdict != "valid")


def test_a_revoked_certificate_is_found_on_the_list_that_it_names(tmp_path):
    with web(tmp_path) as (nation, _):
        nation.lists["prefecture"].revoked[0x3001] = (AT - DAY, "key_compromise")
        nation.write("prefecture.crl", nation.lists["prefecture"].der())
        assert nation.rejected().reason is Reason.REVOKED


def test_a_delta_list_is_fetched_where_the_complete_one_says(tmp_path):
    with web(tmp_path) as (nation, server):
        complete = nation.lists["prefecture"]
        oid, critical, value = points(f"{server.url}delta.crl")
        assert oid
        complete.more = [("freshest_crl", critical, value)]
        nation.write("prefecture.crl", complete.der())
        delta = Crl("jpki-13.g1", "full", PREFECTURE, 2, number=2, delta=True)
        nation.write("delta.crl", delta.der())
        assert nation.verified().lists[-1].delta.number == 2
        delta.revoked[0x3001] = (AT - DAY / 4, "superseded")
        nation.write("delta.crl", delta.der())
        assert nation.rejected().reason is Reason.REVOKED


def test_the_question_is_the_one_that_openssl_asks(tmp_path):
    world = World()
    holder, issuer = world.holder.der(), world.crosses["jpki-bridge.g1", "jpki-13.g1"].der()
    write_certificate(tmp_path / "holder.pem", holder)
    write_certificate(tmp_path / "issuer.pem", issuer)
    openssl(
        "ocsp", "-issuer", tmp_path / "issuer.pem", "-cert", tmp_path / "holder.pem", "-no_nonce",
        "-reqout", tmp_path / "question",
    )  # fmt: skip
    asked = question(read_certificate(holder, "holder"), read_certificate(issuer, "issuer"))
    assert asked == (tmp_path / "question").read_bytes()


# What is not.


GONE = {
    "prefecture.crl": Reason.CANNOT_TELL,
    "anchor.crl": Reason.CANNOT_TELL,
    "prefecture.p7c": Reason.UNREADABLE,
}
TRICKS: dict[str, Trick] = {
    "hangs": bad.hang,
    "hangs in the body": bad.hang_in_the_body,
    "drips": bad.drip_body,
    "drips headers": bad.drip_headers,
    "is cut": bad.cut,
    "is reset": bad.reset,
    "is not there": bad.status(404),
    "is refused": bad.status(500),
    "is elsewhere": bad.redirect_to("http://127.0.0.1:1/"),
    "is huge by its length": bad.huge_by_its_length,
    "is huge": bad.huge_without_length,
    "has huge headers": bad.huge_headers,
    "is no HTTP": bad.not_http,
    "is a page": bad.html,
    "is empty": bad.empty,
}


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("path", GONE)
def test_a_server_that_does_not_behave_gives_no_verdict(tmp_path, path, trick):
    """Within the time, whatever it does; and never valid."""
    limits = replace(LIMITS, seconds=0.5, octets=1 << 20)
    with web(tmp_path, {path: TRICKS[trick]}) as (nation, _):
        rejected = nation.rejected(nation.material(limits))
        assert rejected.reason in {GONE[path], Reason.CANNOT_TELL}
        assert path in str(rejected) or "may" in str(rejected) or "time" in str(rejected)


def test_a_server_that_is_down_gives_no_verdict(tmp_path):
    nation = Web(tmp_path, bad.unused_url())
    assert "cannot be reached" in str(nation.rejected())


@pytest.mark.parametrize(
    ("path", "other"),
    [("prefecture.crl", "bridge.crl"), ("bridge.crl", "prefecture.crl"), ("prefecture.crl", "holder.cer")],
)
def test_anothers_list_says_nothing(tmp_path, path, other):
    with web(tmp_path, {path: bad.another_file(other)}) as (nation, _):
        assert nation.rejected().reason is Reason.CANNOT_TELL


def test_an_old_list_says_nothing(tmp_path):
    with web(tmp_path) as (nation, _):
        nation.write("bridge.crl", replace(nation.lists["bridge"], next_update=AT - DAY / 4).der())
        assert nation.rejected().reason is Reason.CANNOT_TELL


def test_another_ca_of_the_name_is_no_issuer(tmp_path):
    """caIssuers give a certificate of the right name with another key, signed by nobody that is known."""
    with web(tmp_path) as (nation, _):
        wrong = replace(World().crosses["jpki-bridge.g1", "jpki-13.g1"], key=7, signer=8).der()
        nation.write("prefecture.p7c", certs_only([wrong]))
        assert nation.rejected().reason is Reason.NO_PATH
        nation.write("prefecture.p7c", certs_only([wrong, nation.encoded["prefecture"]]))
        assert nation.verified()


def test_a_thousand_certificates_of_the_name_end_within_the_limits(tmp_path):
    with web(tmp_path) as (nation, _):
        right = nation.encoded["prefecture"]
        useless = [right[:-2] + number.to_bytes(2, "big") for number in range(1000)]
        nation.write("prefecture.p7c", certs_only([right, *useless]))
        try:
            nation.verified()
        except PathRejected as rejected:
            assert rejected.reason is Reason.CANNOT_TELL  # noqa: PT017 - within the limits either is right


def test_a_chain_without_end_ends(tmp_path):
    """Every certificate names another issuer at another URL."""
    with serving(tmp_path) as server:
        nation = Web(tmp_path, server.url)
        other = ANCHOR
        for number in range(80, 0, -1):
            name = o("LOOP", str(number))
            one = Cert(
                name,
                other,
                key=number % 40 + 10,
                signer=(number + 1) % 40 + 10,
                serial=number,
                policies=[GPKI_POLICY],
            )
            one.more = [access(ca_issuers=f"{server.url}{number + 1}.cer"), points(f"{server.url}x.crl")]
            nation.write(f"{number}.cer", one.der())
            other = name
        leaf = replace(World().holder, issuer=other, signer=11, point=None)
        leaf.more = [access(ca_issuers=f"{server.url}1.cer"), points(f"{server.url}x.crl")]
        nation.encoded["holder"] = leaf.der()
        assert nation.rejected().reason in {Reason.NO_PATH, Reason.CANNOT_TELL, Reason.UNREADABLE}
        assert len(server.asked) < 64


def test_fetches_are_counted(tmp_path):
    with web(tmp_path) as (nation, server):
        rejected = nation.rejected(nation.material(replace(LIMITS, fetches=3)))
        assert rejected.reason is Reason.CANNOT_TELL
        assert "asked servers as often as it may" in rejected.problem
        assert len(server.asked) == 3


# Whom it asks.


@pytest.mark.parametrize(
    "url",
    ["https://example.com/x.crl", "ftp://example.com/x.crl", "file:///etc/passwd", "ldap://127.0.0.1/", "http://", "x",
     "http://exa mple/x", "http://127.0.0.1/x#y", "http://user@127.0.0.1/x", "http://127.0.0.1:0/x"],
)  # fmt: skip
def test_only_plain_urls_of_http_are_followed(tmp_path, url):
    with web(tmp_path) as (nation, server):
        leaf = World().holder
        leaf.point, leaf.more = None, [points(url), access(ca_issuers=f"{server.url}prefecture.p7c")]
        nation.encoded["holder"] = leaf.der()
        assert nation.rejected().reason is Reason.CANNOT_TELL


def test_a_machine_of_ones_own_is_not_asked_unless_that_is_wanted(tmp_path):
    """A hostile certificate must not make a verifier talk to what only he can reach."""
    with web(tmp_path) as (nation, server):
        material = Online([nation.encoded["anchor"]], LIMITS)
        assert "not everybody's" in str(nation.rejected(material))
        assert server.asked == []


@pytest.mark.parametrize(
    ("address", "public"),
    [("127.0.0.1", False), ("10.1.2.3", False), ("192.168.1.1", False), ("169.254.169.254", False), ("::1", False),
     ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:127.0.0.1", False), ("0.0.0.0", False),  # noqa: S104 - nobody listens there
     ("100.64.0.1", False), ("64:ff9b::a9fe:a9fe", False), ("2002:7f00:1::", False), ("::127.0.0.1", False), ("fec0::1", False),
     ("8.8.8.8", True), ("2001:4860:4860::8888", True)],
)  # fmt: skip
def test_which_addresses_are_everybodys(address, public):
    if public:
        require_public(address)
    else:
        with pytest.raises(BadInput, match="not everybody's"):
            require_public(address)


def test_a_query_in_a_url_is_asked(tmp_path):
    with web(tmp_path) as (nation, server):
        server.tricks = {"list?of=prefecture&x=%20": bad.another_file("prefecture.crl")}
        leaf = World().holder
        leaf.point = None
        leaf.more = [
            points(f"{server.url}list?of=prefecture&x=%20"),
            access(ca_issuers=f"{server.url}prefecture.p7c"),
        ]
        nation.encoded["holder"] = leaf.der()
        assert nation.verified()
