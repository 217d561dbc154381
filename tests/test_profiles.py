"""What each kind of certificate and list says: held by golden files, by the table of its extensions, and by pkilint.

After a change that is meant, ``python -m fixtures.make_golden`` writes the golden files anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509
from pkilint import loader, pkix
from pkilint.pkix import certificate, crl, extension, name

from ca.model import RESIDENT_KINDS, AuthorityId, CertificateId, CertificateKind, LocalHolder
from ca.names import DirectoryName
from ca.profiles.local import local_subject
from ca.store import certificates
from fixtures.make_golden import FOLDER, ROLLOVER, golden, make_certificates, make_lists, roll_over
from front.demo.openssl import run, write_certificate
from tests.engine_world import engine_world
from tests.national_world import BEGINS, national_plan, national_world

OF_2008 = (
    "self-signed",
    "cross",
    "cross-mapped",
    "ocsp-responder",
    "repository",
    "signature",
    "official-post",
)
CERTIFICATES = (
    "self-signed",
    "cross",
    "cross-mapped",
    "ocsp-responder",
    "repository",
    "signature",
    "user-authentication",
    "official-post",
    "link-new-with-old",
    "link-old-with-new",
    "national-self-signed",
    "national-cross",
    "national-signature",
    "national-user-authentication",
    "time-stamp",
    "validation-service",
    "lg-post",
    "lg-user",
    "lg-encryption",
    *(f"old-{kind}" for kind in OF_2008),
)
"""Those of japan-2008 have the extensions of their namesakes of japan-2014."""
LISTS = ("list-partition", "list-partition-empty", "list-full", "list-arl")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with engine_world(tmp_path_factory.mktemp("world")) as world:
        return make_certificates(world) | make_lists(world)


def plain(kind: str) -> str:
    """The namesake of a kind of japan-2008."""
    return kind.removeprefix("old-")


# Golden files.


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return golden()


@pytest.mark.parametrize("kind", [*CERTIFICATES, *LISTS])
def test_it_says_what_its_golden_file_says(kind: str, described: dict[str, Any]) -> None:
    """Field by field, so that a difference names its place."""
    kept = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    assert dict(fields(described[kind])) == dict(fields(kept))
    assert described[kind] == kept


def fields(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(where it stands, what it says) of everything that has no further parts."""
    parts = content.items() if isinstance(content, dict) else enumerate(content)
    for key, part in parts:
        where = f"{path}/{key}"
        if isinstance(part, dict | list) and part:
            yield from fields(part, where)
        else:
            yield where, part


def test_the_golden_files_are_these(described: dict[str, Any]) -> None:
    assert described.keys() == {*CERTIFICATES, *LISTS}
    assert {path.name for path in FOLDER.iterdir()} == {f"{kind}.json" for kind in described}


def test_a_seeded_world_is_the_same_octet_for_octet(made: dict[str, bytes], tmp_path: Any) -> None:
    with engine_world(tmp_path / "again") as world:
        assert make_certificates(world) | make_lists(world) == made


@pytest.mark.parametrize("kind", [*CERTIFICATES, *LISTS])
def test_another_encoder_writes_the_same_octets(kind: str, made: dict[str, bytes]) -> None:
    """asn1crypto takes it apart and encodes every part anew: defaults left out, lengths and integers shortest."""
    structure = x509.Certificate if kind in CERTIFICATES else asn1_crl.CertificateList
    found = structure.load(made[kind], strict=True)
    walk(found)
    assert found.dump(force=True) == made[kind]


def walk(value: Any) -> None:
    """Touch every part, so that none is written back as it was read."""
    assert value.native is not None
    if isinstance(value, x509.Certificate):
        for one in value["tbs_certificate"]["extensions"]:
            assert one["extn_value"].parsed.dump(force=True) == one["extn_value"].contents


# The extensions of each kind, in their order, as the operators' profiles have them.

CRITICAL = "critical"
SELF_SIGNED = (
    ("key_usage", CRITICAL),
    ("basic_constraints", CRITICAL),
    ("subject_alt_name",),
    ("crl_distribution_points",),
    ("key_identifier",),
)
LINK = (
    ("authority_key_identifier",),
    ("key_identifier",),
    ("key_usage", CRITICAL),
    ("certificate_policies", CRITICAL),
    ("subject_alt_name",),
    ("basic_constraints", CRITICAL),
    ("crl_distribution_points",),
)
CROSS_MAPPED = (
    ("authority_key_identifier",),
    ("key_identifier",),
    ("key_usage", CRITICAL),
    ("certificate_policies", CRITICAL),
    ("policy_mappings", CRITICAL),
    ("subject_alt_name",),
    ("issuer_alt_name",),
    ("basic_constraints", CRITICAL),
    ("policy_constraints", CRITICAL),
    ("crl_distribution_points",),
)
SERVICE = (
    ("key_usage", CRITICAL),
    ("extended_key_usage", CRITICAL),
    ("certificate_policies", CRITICAL),
    ("authority_key_identifier",),
    ("key_identifier",),
)
SIGNATURE = (
    ("key_usage", CRITICAL),
    ("certificate_policies", CRITICAL),
    ("subject_alt_name",),
    ("issuer_alt_name",),
    ("crl_distribution_points",),
    ("authority_information_access",),
    ("authority_key_identifier",),
    ("key_identifier",),
)
USER_AUTHENTICATION = (
    ("key_usage", CRITICAL),
    ("extended_key_usage",),
    ("certificate_policies", CRITICAL),
    ("issuer_alt_name",),
    ("crl_distribution_points",),
    ("authority_information_access",),
    ("authority_key_identifier",),
    ("key_identifier",),
)
POST = (
    ("key_usage", CRITICAL),
    ("certificate_policies", CRITICAL),
    ("issuer_alt_name",),
    ("crl_distribution_points",),
    ("authority_key_identifier",),
    ("key_identifier",),
)
SHAPES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "self-signed": SELF_SIGNED,
    "cross": (
        ("authority_key_identifier",),
        ("key_identifier",),
        ("key_usage", CRITICAL),
        ("certificate_policies", CRITICAL),
        ("subject_alt_name",),
        ("issuer_alt_name",),
        ("basic_constraints", CRITICAL),
        ("policy_constraints", CRITICAL),
        ("crl_distribution_points",),
    ),
    "cross-mapped": CROSS_MAPPED,
    "ocsp-responder": (*SERVICE, ("ocsp_no_check",)),
    "repository": (
        ("key_usage", CRITICAL),
        ("certificate_policies", CRITICAL),
        ("authority_key_identifier",),
        ("key_identifier",),
    ),
    "signature": SIGNATURE,
    "user-authentication": USER_AUTHENTICATION,
    "official-post": POST,
    "link-new-with-old": LINK,
    "link-old-with-new": LINK,
    "national-self-signed": SELF_SIGNED,
    "national-cross": CROSS_MAPPED,
    "national-signature": SIGNATURE,
    "national-user-authentication": USER_AUTHENTICATION,
    "time-stamp": SERVICE,
    "validation-service": SERVICE,
    "lg-post": POST,
    "lg-user": (
        ("key_usage", CRITICAL),
        ("extended_key_usage",),
        ("certificate_policies", CRITICAL),
        ("issuer_alt_name",),
        ("crl_distribution_points",),
        ("authority_key_identifier",),
        ("key_identifier",),
    ),
    "lg-encryption": POST,
    "list-partition": (
        ("authority_key_identifier",),
        ("crl_number",),
        ("issuing_distribution_point", CRITICAL),
    ),
    "list-arl": (
        ("authority_key_identifier",),
        ("crl_number",),
        ("issuing_distribution_point", CRITICAL),
    ),
    "list-full": (("authority_key_identifier",), ("crl_number",)),
}


def test_every_profile_has_a_shape() -> None:
    assert SHAPES.keys() >= {*map(plain, CERTIFICATES)}


@pytest.mark.parametrize("kind", [*SHAPES, *(f"old-{kind}" for kind in OF_2008)])
def test_its_extensions_stand_in_the_profiles_order(kind: str, made: dict[str, bytes]) -> None:
    assert (
        tuple(
            (one["extn_id"].native, CRITICAL) if one["critical"].native else (one["extn_id"].native,)
            for one in extensions(kind, made[kind])
        )
        == SHAPES[plain(kind)]
    )


def extensions(kind: str, encoded: bytes) -> Any:
    if kind in CERTIFICATES:
        return x509.Certificate.load(encoded)["tbs_certificate"]["extensions"]
    return asn1_crl.CertificateList.load(encoded)["tbs_cert_list"]["crl_extensions"]


# The other parts of the profile that a person should be able to check against its source.


@pytest.mark.parametrize("kind", [*CERTIFICATES, *LISTS])
def test_names_have_a_printable_country_and_utf8_for_all_else(kind: str) -> None:
    """Domain facts 2: C=JP as PrintableString, all other attributes UTF8String."""
    content = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    steps = [text for text in strings(content) if text.startswith("2.5.4.")]
    assert len(steps) > 3
    for text in steps:
        attribute, encoding, value = text.split(" ", 2)
        assert (encoding, value) == ("PrintableString", "JP") or (
            encoding == "UTF8String" and attribute != "2.5.4.6"
        )


def strings(content: Any) -> Iterator[str]:
    match content:
        case str():
            yield content
        case dict():
            for one in content.values():
                yield from strings(one)
        case list():
            for one in content:
                yield from strings(one)


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_only_cas_certify(kind: str, made: dict[str, bytes]) -> None:
    found = x509.Certificate.load(made[kind])
    assert bool(found.ca) == ("key_cert_sign" in USES[plain(kind)])
    assert found.max_path_length is None


CA = frozenset({"key_cert_sign", "crl_sign"})
SIGNER = frozenset({"digital_signature", "non_repudiation"})
CHALLENGE = frozenset({"digital_signature"})
USES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("self-signed", "cross", "cross-mapped", "national-self-signed", "national-cross"), CA),
    **dict.fromkeys(("link-new-with-old", "link-old-with-new"), CA),
    **dict.fromkeys(("ocsp-responder", "repository", "validation-service"), CHALLENGE),
    **dict.fromkeys(("user-authentication", "national-user-authentication", "lg-user"), CHALLENGE),
    **dict.fromkeys(("signature", "national-signature", "official-post", "lg-post", "time-stamp"), SIGNER),
    "lg-encryption": frozenset({"key_encipherment", "data_encipherment"}),
}
PURPOSES: Mapping[str, tuple[str, ...]] = {
    "ocsp-responder": ("1.3.6.1.5.5.7.3.9",),
    "time-stamp": ("1.3.6.1.5.5.7.3.8",),
    "validation-service": ("1.3.6.1.5.5.7.3.15",),
    "user-authentication": ("1.3.6.1.5.5.7.3.2",),
    "national-user-authentication": ("1.3.6.1.5.5.7.3.2",),
    "lg-user": ("1.3.6.1.5.5.7.3.2",),
}
POLICIES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("self-signed", "national-self-signed"), ()),
    **dict.fromkeys(
        ("cross", "ocsp-responder", "repository"), ("1.2.392.200149.8.5.1.0.20", "1.2.392.200149.8.5.1.0.30")
    ),
    **dict.fromkeys(("signature", "national-signature"), ("1.2.392.200149.8.5.1.0.20",)),
    **dict.fromkeys(("user-authentication", "national-user-authentication"), ("1.2.392.200149.8.5.1.0.30",)),
    **dict.fromkeys(
        ("cross-mapped", "link-new-with-old", "link-old-with-new"), ("2.999.2014.1.1", "2.999.2014.1.2")
    ),
    "official-post": ("2.999.2014.1.1",),
    "national-cross": ("2.999.2016.1.1",),
    **dict.fromkeys(
        ("time-stamp", "validation-service"), ("2.999.2016.1.1", "2.999.2016.1.2", "2.999.2016.1.3")
    ),
    "lg-post": ("2.999.2016.3.1",),
    "lg-user": ("2.999.2016.3.2",),
    "lg-encryption": ("2.999.2016.3.3",),
    "old-self-signed": (),
    **dict.fromkeys(
        ("old-cross", "old-ocsp-responder", "old-repository", "old-signature"), ("1.2.392.200149.8.5.1.0.20",)
    ),
    **dict.fromkeys(("old-cross-mapped", "old-official-post"), ("2.999.2008.1.1",)),
}
# The last step of the distribution point: a CA's own name, a town's or ward's partition, the partition of a kind.
POINTS: Mapping[str, str | None] = {
    **dict.fromkeys(("ocsp-responder", "repository", "time-stamp", "validation-service"), None),
    **dict.fromkeys(("cross", "cross-mapped", "national-cross"), "BridgeCA"),
    **dict.fromkeys(("link-new-with-old", "link-old-with-new"), "BridgeCA"),
    "self-signed": "Tottori CA",
    "national-self-signed": "Japan Agency for Local Authority Information Systems",
    **dict.fromkeys(("signature", "user-authentication"), "Tottori-shi CRLDP"),
    **dict.fromkeys(("national-signature", "national-user-authentication"), "Tottori-shi CRLDP"),
    **dict.fromkeys(("official-post", "lg-post", "lg-user", "lg-encryption"), "CRLDP"),
}
IN_ALL_PARTS = ("national-signature", "national-user-authentication")
"""The residents' kinds of japan-2016 name issuer and serial besides the key; CA and service certificates never do."""


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_its_values_are_those_of_the_table(kind: str, made: dict[str, bytes]) -> None:
    found = x509.Certificate.load(made[kind])
    purposes = tuple(one.dotted for one in found.extended_key_usage_value or ())
    policies = tuple(one["policy_identifier"].dotted for one in found.certificate_policies_value or ())
    points = [
        list(name.chosen.native.values())[-1]
        for point in found.crl_distribution_points_value or ()
        for name in point["distribution_point"].chosen
    ]
    last = [step[-1] if isinstance(step, list) else step for step in points]
    assert found.key_usage_value.native == USES[plain(kind)]
    assert purposes == PURPOSES.get(plain(kind), ())
    assert policies == POLICIES[kind]
    assert last == ([] if POINTS[plain(kind)] is None else [POINTS[plain(kind)]])


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_an_authority_key_identifier_has_the_form_of_its_edition(kind: str, made: dict[str, bytes]) -> None:
    found = x509.Certificate.load(made[kind])
    key = found.authority_key_identifier_value
    if key is None:
        assert kind in {"self-signed", "national-self-signed", "old-self-signed"}
        return
    parts = [name for name in ("authority_cert_issuer", "authority_cert_serial_number") if key[name].native]
    assert len(parts) == (2 if kind in IN_ALL_PARTS else 0)
    if kind == "national-signature":
        own = x509.Certificate.load(made["national-self-signed"])
        assert (key["authority_cert_issuer"][0].chosen, key["authority_cert_serial_number"].native) == (
            own.subject, own.serial_number,
        )  # fmt: skip


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_the_days_of_cas_and_holders_end_in_japan_and_are_written_as_utc_time(kind: str, described) -> None:
    validity = described[kind]["validity"]
    assert all(moment.startswith("UTCTime ") for moment in validity.values())
    if POINTS[plain(kind)] is not None:
        assert validity["not_after"].endswith("145959Z")


@pytest.mark.parametrize(
    ("unit", "steps"),
    [
        (None, ["C=JP", "O=LGPKI-TEST", "OU=City of Examples", "CN=The Mayor"]),
        ("Division", ["C=JP", "O=LGPKI-TEST", "OU=City of Examples", "OU=Division", "CN=The Mayor"]),
    ],
)
def test_a_local_governments_unit_stands_in_the_subject_if_there_is_one(unit, steps) -> None:
    authority = DirectoryName.of([("C", "JP"), ("O", "LGPKI-TEST"), ("OU", "OrganizationCA")], "test")
    assert str(local_subject(authority, LocalHolder("City of Examples", unit, "The Mayor"))) == ", ".join(
        steps
    )


def test_a_wards_certificates_lie_in_the_wards_partition() -> None:
    plan = national_plan()
    ward = plan.municipalities.window("011061")
    for kind, word in (("signature", "digital signature"), ("user-authentication", "user authentication")):
        place = (
            plan.practices[AuthorityId(f"jpki-{kind}")]
            .holders[CertificateKind(kind)]
            .place(ward, plan.municipalities)
        )
        assert str(place.point) == (
            f"C=JP, O=JPKI-TEST, OU=JPKI for {word}, OU=CRL Distribution Points, OU=Hokkaido, "
            "CN=Sapporo-shi-Minami-ku CRLDP"
        )


# Link certificates stand in paths.


def test_a_link_leads_from_the_new_anchor_to_what_the_old_key_certified(
    made: dict[str, bytes], tmp_path: Path
) -> None:
    """New anchor, OldWithNew, cross-certificate (an explicit policy from there on), bridge, prefecture, holder."""
    with engine_world(tmp_path / "world") as world:
        second = roll_over(world)
        issued = world.issued(at=ROLLOVER)
        at = ROLLOVER + timedelta(minutes=1)
        new, link = (write_certificate(tmp_path / name, second[name]) for name in ("self", "old-with-new"))
        steps = [write_certificate(tmp_path / name, made[name]) for name in ("cross-mapped", "cross")]
        untrusted = tmp_path / "untrusted"
        untrusted.write_text("".join(file.read_text() for file in (link, *steps)))
        for kind, policy in zip(RESIDENT_KINDS, ("2.999.2014.1.1", "2.999.2014.1.2"), strict=True):
            holder = write_certificate(tmp_path / kind, issued[kind].encoded)
            command = ("verify", "-attime", str(int(at.timestamp())), "-CAfile", new, "-explicit_policy")
            for given, asked, accepted in (
                (untrusted, policy, True),
                (untrusted, "2.999.77", False),
                (steps[0], policy, False),
            ):
                done = run(*command, "-untrusted", given, "-policy", asked, holder, check=False)
                assert (done.returncode == 0) is accepted, done.stdout + done.stderr


def test_openssl_takes_the_time_stamp_certificate_for_time_stamps(
    made: dict[str, bytes], tmp_path: Path
) -> None:
    with national_world(tmp_path / "world") as world:
        anchor = world.issuer("gpki-bca")
        with world.store.reading() as connection:
            own = certificates.find(connection, CertificateId(anchor.id, anchor.record.serial)).encoded
    root = write_certificate(tmp_path / "root", own)
    command = (
        "verify",
        "-attime",
        str(int(BEGINS.timestamp())),
        "-CAfile",
        root,
        "-purpose",
        "timestampsign",
    )
    for kind, accepted in (("time-stamp", True), ("validation-service", False)):
        done = run(*command, write_certificate(tmp_path / kind, made[kind]), check=False)
        assert (done.returncode == 0) is accepted, done.stdout + done.stderr


def test_no_certificate_of_a_test_world_says_that_it_is_real(made: dict[str, bytes]) -> None:
    for kind in CERTIFICATES:
        found = x509.Certificate.load(made[kind])
        assert found.issuer.native["organization_name"] in {"JPKI-TEST", "GPKI-TEST", "LGPKI-TEST"}
        policies = found.certificate_policies_value or ()
        # ...8.5.1.1 and ...8.5.1.3 are production's arcs.
        real = ("1.2.392.200149.8.5.1.1.", "1.2.392.200149.8.5.1.3.")
        assert not any(policy["policy_identifier"].dotted.startswith(real) for policy in policies)


# pkilint: an independent linter. Each remark of it is known here, with the reason why it stands.

SPELLED_OUT = (
    "a remark, no fault: the key identifier is the one of RFC 5280 4.2.1.2 method 1, as it should be"
)
QUALIFIER = (
    "RFC 5280 4.2.1.4 recommends none; the operators' certificates carry a CPS pointer, and so do these"
)
EXAMPLE_ARC = (
    "its reader (pyasn1-fasder 0.1) refuses object identifiers beyond 2.47 as out of range; X.690 8.19.4 allows "
    "them under arc 2, and OpenSSL, GnuTLS and asn1crypto read the stand-in's example arc 2.999"
)

KNOWN: Mapping[tuple[str, str, str], str] = {
    **{
        (kind, "key_identifier", "pkix.subject_key_identifier_method_1_identified"): SPELLED_OUT
        for kind in CERTIFICATES
    },
    **{
        (kind, "certificate_policies", "pkix.certificate_policies_policy_has_qualifier"): QUALIFIER
        for kind in (
            "signature",
            "user-authentication",
            "national-signature",
            "national-user-authentication",
            "old-signature",
        )
    },
    **{
        (kind, "certificate_policies", "itu.invalid_asn1_syntax"): EXAMPLE_ARC
        for kind, policies in POLICIES.items()
        if any(policy.startswith("2.999.") for policy in policies)
    },
    ("cross-mapped", "policy_mappings", "itu.invalid_asn1_syntax"): EXAMPLE_ARC,
    ("national-cross", "policy_mappings", "itu.invalid_asn1_syntax"): EXAMPLE_ARC,
    ("old-cross-mapped", "policy_mappings", "itu.invalid_asn1_syntax"): EXAMPLE_ARC,
}
"""(kind, extension, finding): why it stands."""

DECODERS = (name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS)


def findings(kind: str, encoded: bytes) -> set[tuple[str, str, str]]:
    """What pkilint remarks at any severity, by the extension that it remarks upon."""
    if kind in CERTIFICATES:
        document = loader.load_certificate(encoded, kind)
        validator = certificate.create_pkix_certificate_validator_container(
            certificate.create_decoding_validators(*DECODERS),
            [
                certificate.create_issuer_validator_container([]),
                certificate.create_validity_validator_container(),
                certificate.create_subject_validator_container([]),
                certificate.create_extensions_validator_container([]),
                certificate.create_spki_validator_container([]),
            ],
        )
    else:
        document = loader.load_crl(encoded, kind)
        validator = crl.create_pkix_crl_validator_container(
            [pkix.create_attribute_decoder(DECODERS[0]), pkix.create_extension_decoder(DECODERS[1])],
            [
                crl.create_issuer_validator_container([]),
                crl.create_validity_validator_container([]),
                crl.create_extensions_validator_container([]),
            ],
        )
    return {
        (kind, place(kind, encoded, result.node.path), description.finding.code)
        for result in validator.validate(document.root)
        for description in result.finding_descriptions
    }


def place(kind: str, encoded: bytes, path: str) -> str:
    """The extension that a path such as ``certificate.tbsCertificate.extensions.4.extnValue`` leads into."""
    before, found, rest = path.partition("xtensions.")
    if not found:
        return before
    return str(extensions(kind, encoded)[int(rest.split(".")[0])]["extn_id"].native)


@pytest.mark.parametrize("kind", [*CERTIFICATES, *LISTS])
def test_pkilint_remarks_what_is_known_and_nothing_else(kind: str, made: dict[str, bytes]) -> None:
    assert findings(kind, made[kind]) == {one for one in KNOWN if one[0] == kind}


def test_pkilint_sees_what_is_wrong(made: dict[str, bytes]) -> None:
    """The judge is awake: no certificate of version 2 and no list of version 1 has extensions."""
    wrong = made["signature"].replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1)
    assert findings("signature", wrong) - KNOWN.keys()
    wrong = made["list-arl"].replace(b"\x02\x01\x01\x30", b"\x02\x01\x00\x30", 1)
    assert findings("list-arl", wrong)
