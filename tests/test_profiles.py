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

from ca.lint.candidate import PROFILES
from ca.model import CA_KINDS, RESIDENT_KINDS, AuthorityId, CertificateId, CertificateKind, LocalHolder
from ca.names import DirectoryName
from ca.profiles.local import local_subject
from ca.store import certificates
from fixtures.make_golden import (
    FAMILIES,
    FOLDER,
    ROLLOVER,
    golden,
    is_list,
    kind_of,
    make_certificates,
    make_lists,
    of_family,
    roll_over,
)
from front.demo.openssl import run, write_certificate
from tests.engine_world import engine_world
from tests.national_world import BEGINS, national_plan, national_world

FILES = sorted(path.stem for path in FOLDER.glob("*.json"))
CERTIFICATES = tuple(name for name in FILES if not is_list(name))
LISTS = tuple(name for name in FILES if is_list(name))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with engine_world(tmp_path_factory.mktemp("world")) as world:
        return make_certificates(world) | make_lists(world) | dict(of_families())


def of_families() -> Mapping[str, bytes]:
    """What worlds of other families of keys than RSA have issued."""
    return {name: encoded for family in FAMILIES for name, encoded in of_family(family).items()}


def family_of(name: str) -> str | None:
    """The family of keys whose world this is from, if it is not RSA."""
    return next((family for family in FAMILIES if name.startswith(f"{family}-")), None)


def plain(name: str) -> str:
    """The namesake, for what is of japan-2008 or of another family of keys, and has what its namesake has."""
    if family := family_of(name):
        name = name.removeprefix(f"{family}-")
        return f"national-{name}" if f"national-{name}" in CERTIFICATES else name
    return name.removeprefix("old-")


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
    assert {path.name for path in FOLDER.iterdir()} == {f"{kind}.json" for kind in described}


def test_every_profile_has_a_golden_file_and_one_of_each_family_of_keys() -> None:
    assert {kind_of(name) for name in CERTIFICATES} == PROFILES.keys()
    for family in FAMILIES:
        assert {kind_of(name) for name in CERTIFICATES if family_of(name) == family} == PROFILES.keys()
        lists = {name.removeprefix(f"{family}-list-") for name in LISTS if family_of(name) == family}
        assert lists == {
            f"{scope}{ending}" for scope in ("partition", "arl", "full") for ending in ("", "-delta")
        }


def test_a_seeded_world_is_the_same_octet_for_octet(made: dict[str, bytes], tmp_path: Any) -> None:
    """But for signatures that have chance in them; what those sign, the golden files hold."""
    with engine_world(tmp_path / "again") as world:
        again = make_certificates(world) | make_lists(world)
    assert again == {name: encoded for name, encoded in made.items() if family_of(name) is None}


@pytest.mark.parametrize(
    "kind", [name for name in (*CERTIFICATES, *LISTS) if family_of(name) != "ml-dsa-65" or is_list(name)]
)
def test_another_encoder_writes_the_same_octets(kind: str, made: dict[str, bytes]) -> None:
    """asn1crypto takes it apart and encodes every part anew: defaults left out, lengths and integers shortest.

    It knows no ML-DSA keys.
    """
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
CROSS = tuple(part for part in CROSS_MAPPED if part != ("policy_mappings", CRITICAL))
SHAPES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "self-signed": SELF_SIGNED,
    "cross": CROSS,
    "cross-mapped": CROSS_MAPPED,
    **dict.fromkeys(("ocsp-responder", "national-responder"), (*SERVICE, ("ocsp_no_check",))),
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
    **dict.fromkeys(("self-signed-lgpki-bridge", "self-signed-lgpki-organisation"), SELF_SIGNED),
    **dict.fromkeys(("cross-gpki-bca-for-lgpki-bridge", "cross-lgpki-bridge-for-gpki-bca"), CROSS_MAPPED),
    **dict.fromkeys(
        ("cross-lgpki-bridge-for-lgpki-organisation", "cross-lgpki-organisation-for-lgpki-bridge"), CROSS
    ),
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


ACCESS = (("authority_information_access",), ("subject_information_access",))


def shape_of(name: str) -> tuple[tuple[str, ...], ...]:
    """What it should have, and in which order; the worlds of other families have information access and delta lists."""
    if family_of(name) is None:
        return SHAPES[{"list-partition-empty": "list-partition"}.get(name, plain(name))]
    shape = list(SHAPES[plain(name).removesuffix("-delta")])
    if is_list(name):
        if not name.endswith("-delta"):
            return (*shape, ("freshest_crl",))
        return (*shape[:2], ("delta_crl_indicator", CRITICAL), *shape[2:])
    kind = kind_of(name)
    added = ACCESS if kind in CA_KINDS else ACCESS[:1]
    if kind is CertificateKind.SELF_SIGNED:
        added = ACCESS[1:]
    # Behind the list's point, where there is one, else in front of the keys' identifiers.
    behind = ("crl_distribution_points",) in shape
    place = (
        shape.index(("crl_distribution_points",)) + 1
        if behind
        else shape.index(("authority_key_identifier",))
    )
    shape[place:place] = [one for one in added if one not in shape]
    return tuple(shape)


@pytest.mark.parametrize("kind", [*CERTIFICATES, *LISTS])
def test_its_extensions_stand_in_the_profiles_order(kind: str, made: dict[str, bytes]) -> None:
    assert tuple(
        (one["extn_id"].native, CRITICAL) if one["critical"].native else (one["extn_id"].native,)
        for one in extensions(kind, made[kind])
    ) == shape_of(kind)


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
    **{name: CA for name in SHAPES if not is_list(name) and kind_of(name) in CA_KINDS},
    **dict.fromkeys(("ocsp-responder", "national-responder", "repository", "validation-service"), CHALLENGE),
    **dict.fromkeys(("user-authentication", "national-user-authentication", "lg-user"), CHALLENGE),
    **dict.fromkeys(("signature", "national-signature", "official-post", "lg-post", "time-stamp"), SIGNER),
    "lg-encryption": frozenset({"key_encipherment", "data_encipherment"}),
}
PURPOSES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ocsp-responder", "national-responder"), ("1.3.6.1.5.5.7.3.9",)),
    "time-stamp": ("1.3.6.1.5.5.7.3.8",),
    "validation-service": ("1.3.6.1.5.5.7.3.15",),
    "user-authentication": ("1.3.6.1.5.5.7.3.2",),
    "national-user-authentication": ("1.3.6.1.5.5.7.3.2",),
    "lg-user": ("1.3.6.1.5.5.7.3.2",),
}
OF_GPKI, OF_LGPKI = (tuple(f"2.999.2016.{arc}.{number}" for number in (1, 2, 3)) for arc in (1, 3))
OF_ANCHOR = ("link-new-with-old", "link-old-with-new", "ocsp-responder", "repository", "time-stamp")
_POLICIES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("self-signed", "national-self-signed"), ()),
    **dict.fromkeys(("self-signed-lgpki-bridge", "self-signed-lgpki-organisation"), ()),
    **dict.fromkeys(("cross-gpki-bca-for-lgpki-bridge", "national-responder"), OF_GPKI),
    "cross-lgpki-bridge-for-gpki-bca": OF_LGPKI,
    "cross-lgpki-bridge-for-lgpki-organisation": OF_LGPKI,
    "cross-lgpki-organisation-for-lgpki-bridge": OF_LGPKI,
    # What the anchor, or the government, of the worlds of 2016 says where its namesake is of 2014.
    **{f"{family}-{name}": OF_GPKI for family in FAMILIES for name in OF_ANCHOR},
    **{f"{family}-official-post": OF_GPKI[:1] for family in FAMILIES},
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
    **dict.fromkeys(("time-stamp", "validation-service"), OF_GPKI),
    "lg-post": ("2.999.2016.3.1",),
    "lg-user": ("2.999.2016.3.2",),
    "lg-encryption": ("2.999.2016.3.3",),
    "old-self-signed": (),
    **dict.fromkeys(
        ("old-cross", "old-ocsp-responder", "old-repository", "old-signature"), ("1.2.392.200149.8.5.1.0.20",)
    ),
    **dict.fromkeys(("old-cross-mapped", "old-official-post"), ("2.999.2008.1.1",)),
}
POLICIES = {name: _POLICIES[name if name in _POLICIES else plain(name)] for name in CERTIFICATES}
# The last step of the distribution point: a CA's own name, a town's or ward's partition, the partition of a kind.
POINTS: Mapping[str, str | None] = {
    **dict.fromkeys(("ocsp-responder", "repository", "time-stamp", "validation-service"), None),
    "national-responder": None,
    **dict.fromkeys(("self-signed-lgpki-bridge", "cross-gpki-bca-for-lgpki-bridge"), "BridgeCA"),
    **dict.fromkeys(
        ("cross-lgpki-bridge-for-gpki-bca", "cross-lgpki-bridge-for-lgpki-organisation"), "BridgeCA"
    ),
    **dict.fromkeys(
        ("self-signed-lgpki-organisation", "cross-lgpki-organisation-for-lgpki-bridge"), "OrganizationCA"
    ),
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
        assert kind_of(kind) is CertificateKind.SELF_SIGNED
        return
    parts = [name for name in ("authority_cert_issuer", "authority_cert_serial_number") if key[name].native]
    assert len(parts) == (2 if plain(kind) in IN_ALL_PARTS else 0)
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

UNSUPPORTED = (
    "it cannot check ML-DSA signatures, and so not know that this one is the certificate's own key's: RFC 5280 4.2.1.1 lets "
    "a self-signed certificate be without authorityKeyIdentifier"
)

KNOWN: Mapping[tuple[str, str, str], str] = {
    **{
        (kind, "key_identifier", "pkix.subject_key_identifier_method_1_identified"): SPELLED_OUT
        for kind in CERTIFICATES
    },
    **{
        (kind, "certificate_policies", "pkix.certificate_policies_policy_has_qualifier"): QUALIFIER
        for kind in CERTIFICATES
        if kind_of(kind) in RESIDENT_KINDS
    },
    **{
        (kind, "certificate_policies", "itu.invalid_asn1_syntax"): EXAMPLE_ARC
        for kind, policies in POLICIES.items()
        if any(policy.startswith("2.999.") for policy in policies)
    },
    **{
        (kind, "policy_mappings", "itu.invalid_asn1_syntax"): EXAMPLE_ARC
        for kind in CERTIFICATES
        if ("policy_mappings", CRITICAL) in shape_of(kind)
    },
    (
        "ml-dsa-65-self-signed", "certificate", "pkix.aki_absent_self_issued_and_unsupported_algorithm",
    ): UNSUPPORTED,
}  # fmt: skip
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
