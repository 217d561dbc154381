"""NIST PKITS on lists: basic revocation (4.4), distribution points (4.14) and delta lists (4.15)."""

from __future__ import annotations

import dataclasses
import re

import pytest

from bridge.relying.rejection import Reason
from tests.pkits import DATA, Case

REVOKED, CANNOT_TELL = Reason.REVOKED, Reason.CANNOT_TELL


def case(
    number: str,
    leaf: str,
    cas: str | tuple[str, ...],
    lists: str | tuple[str, ...],
    ours: Reason | None = None,
    signers: tuple[str, ...] = (),
) -> Case:
    cas, lists = ((one,) if isinstance(one, str) else one for one in (cas, lists))
    return Case(number, f"{leaf}EE", tuple(f"{ca}Cert" for ca in cas), lists, ours, signers)


SEPARATE = "SeparateCertificateandCRLKeys"
BASIC = [
    case("4.4.1", "InvalidMissingCRLTest1", "NoCRLCA", (), CANNOT_TELL),
    case(
        "4.4.2",
        "InvalidRevokedCATest2",
        ("GoodCA", "RevokedsubCA"),
        ("GoodCACRL", "RevokedsubCACRL"),
        REVOKED,
    ),
    case("4.4.3", "InvalidRevokedEETest3", "GoodCA", "GoodCACRL", REVOKED),
    case("4.4.4", "InvalidBadCRLSignatureTest4", "BadCRLSignatureCA", "BadCRLSignatureCACRL", CANNOT_TELL),
    case("4.4.5", "InvalidBadCRLIssuerNameTest5", "BadCRLIssuerNameCA", "BadCRLIssuerNameCACRL", CANNOT_TELL),
    case("4.4.6", "InvalidWrongCRLTest6", "WrongCRLCA", "WrongCRLCACRL", CANNOT_TELL),
    case("4.4.7", "ValidTwoCRLsTest7", "TwoCRLsCA", ("TwoCRLsCABadCRL", "TwoCRLsCAGoodCRL")),
    # These lists name the certificates as revoked. What a list with unknown critical parts says is not believed.
    case(
        "4.4.8",
        "InvalidUnknownCRLEntryExtensionTest8",
        "UnknownCRLEntryExtensionCA",
        "UnknownCRLEntryExtensionCACRL",
        CANNOT_TELL,
    ),
    case(
        "4.4.9",
        "InvalidUnknownCRLExtensionTest9",
        "UnknownCRLExtensionCA",
        "UnknownCRLExtensionCACRL",
        CANNOT_TELL,
    ),
    case(
        "4.4.10",
        "InvalidUnknownCRLExtensionTest10",
        "UnknownCRLExtensionCA",
        "UnknownCRLExtensionCACRL",
        CANNOT_TELL,
    ),
    case(
        "4.4.11", "InvalidOldCRLnextUpdateTest11", "OldCRLnextUpdateCA", "OldCRLnextUpdateCACRL", CANNOT_TELL
    ),
    case(
        "4.4.12",
        "Invalidpre2000CRLnextUpdateTest12",
        "pre2000CRLnextUpdateCA",
        "pre2000CRLnextUpdateCACRL",
        CANNOT_TELL,
    ),
    case(
        "4.4.13",
        "ValidGeneralizedTimeCRLnextUpdateTest13",
        "GeneralizedTimeCRLnextUpdateCA",
        "GeneralizedTimeCRLnextUpdateCACRL",
    ),
    case("4.4.14", "ValidNegativeSerialNumberTest14", "NegativeSerialNumberCA", "NegativeSerialNumberCACRL"),
    # It is found in the list; that a serial is negative (RFC 5280 4.1.2.2) is what stands in the way of more.
    case(
        "4.4.15",
        "InvalidNegativeSerialNumberTest15",
        "NegativeSerialNumberCA",
        "NegativeSerialNumberCACRL",
        CANNOT_TELL,
    ),
    case("4.4.16", "ValidLongSerialNumberTest16", "LongSerialNumberCA", "LongSerialNumberCACRL"),
    case("4.4.17", "ValidLongSerialNumberTest17", "LongSerialNumberCA", "LongSerialNumberCACRL"),
    case("4.4.18", "InvalidLongSerialNumberTest18", "LongSerialNumberCA", "LongSerialNumberCACRL", REVOKED),
    case(
        "4.4.19",
        f"Valid{SEPARATE}Test19",
        f"{SEPARATE}CertificateSigningCA",
        f"{SEPARATE}CRL",
        signers=(f"{SEPARATE}CRLSigningCert",),
    ),
    case(
        "4.4.20",
        f"Invalid{SEPARATE}Test20",
        f"{SEPARATE}CertificateSigningCA",
        f"{SEPARATE}CRL",
        REVOKED,
        signers=(f"{SEPARATE}CRLSigningCert",),
    ),
    case(
        "4.4.21",
        f"Invalid{SEPARATE}Test21",
        f"{SEPARATE}CA2CertificateSigningCA",
        f"{SEPARATE}CA2CRL",
        CANNOT_TELL,
        signers=(f"{SEPARATE}CA2CRLSigningCert",),
    ),
]

POINT_1, POINT_2 = "distributionPoint1CA", "distributionPoint2CA"
REASONS_1 = ("onlySomeReasonsCA1compromiseCRL", "onlySomeReasonsCA1otherreasonsCRL")
REASONS_2 = ("onlySomeReasonsCA2CRL1", "onlySomeReasonsCA2CRL2")
REASONS_3 = ("onlySomeReasonsCA3compromiseCRL", "onlySomeReasonsCA3otherreasonsCRL")
REASONS_4 = ("onlySomeReasonsCA4compromiseCRL", "onlySomeReasonsCA4otherreasonsCRL")
POINTS = [
    case("4.14.1", "ValiddistributionPointTest1", POINT_1, f"{POINT_1}CRL"),
    case("4.14.2", "InvaliddistributionPointTest2", POINT_1, f"{POINT_1}CRL", REVOKED),
    case("4.14.3", "InvaliddistributionPointTest3", POINT_1, f"{POINT_1}CRL", CANNOT_TELL),
    case("4.14.4", "ValiddistributionPointTest4", POINT_1, f"{POINT_1}CRL"),
    case("4.14.5", "ValiddistributionPointTest5", POINT_2, f"{POINT_2}CRL"),
    case("4.14.6", "InvaliddistributionPointTest6", POINT_2, f"{POINT_2}CRL", REVOKED),
    case("4.14.7", "ValiddistributionPointTest7", POINT_2, f"{POINT_2}CRL"),
    case("4.14.8", "InvaliddistributionPointTest8", POINT_2, f"{POINT_2}CRL", CANNOT_TELL),
    case("4.14.9", "InvaliddistributionPointTest9", POINT_2, f"{POINT_2}CRL", CANNOT_TELL),
    case(
        "4.14.10",
        "ValidNoissuingDistributionPointTest10",
        "NoissuingDistributionPointCA",
        "NoissuingDistributionPointCACRL",
    ),
    case(
        "4.14.11",
        "InvalidonlyContainsUserCertsTest11",
        "onlyContainsUserCertsCA",
        "onlyContainsUserCertsCACRL",
        CANNOT_TELL,
    ),
    case(
        "4.14.12",
        "InvalidonlyContainsCACertsTest12",
        "onlyContainsCACertsCA",
        "onlyContainsCACertsCACRL",
        CANNOT_TELL,
    ),
    case("4.14.13", "ValidonlyContainsCACertsTest13", "onlyContainsCACertsCA", "onlyContainsCACertsCACRL"),
    case(
        "4.14.14",
        "InvalidonlyContainsAttributeCertsTest14",
        "onlyContainsAttributeCertsCA",
        "onlyContainsAttributeCertsCACRL",
        CANNOT_TELL,
    ),
    case("4.14.15", "InvalidonlySomeReasonsTest15", "onlySomeReasonsCA1", REASONS_1, REVOKED),
    case("4.14.16", "InvalidonlySomeReasonsTest16", "onlySomeReasonsCA1", REASONS_1, REVOKED),
    case("4.14.17", "InvalidonlySomeReasonsTest17", "onlySomeReasonsCA2", REASONS_2, CANNOT_TELL),
    case("4.14.18", "ValidonlySomeReasonsTest18", "onlySomeReasonsCA3", REASONS_3),
    case("4.14.19", "ValidonlySomeReasonsTest19", "onlySomeReasonsCA4", REASONS_4),
    case("4.14.20", "InvalidonlySomeReasonsTest20", "onlySomeReasonsCA4", REASONS_4, REVOKED),
    case("4.14.21", "InvalidonlySomeReasonsTest21", "onlySomeReasonsCA4", REASONS_4, REVOKED),
]

INDIRECT_3 = ("indirectCRLCA3CRL", "indirectCRLCA3cRLIssuerCRL")
INDIRECT_5 = "indirectCRLCA5CRL"
NOT_TOLD_YET = [
    # Indirect lists are not read: their entries would have to be told apart by issuer (RFC 5280 5.3.3).
    case("4.14.22", "ValidIDPwithindirectCRLTest22", "indirectCRLCA1", "indirectCRLCA1CRL", CANNOT_TELL),
    case("4.14.23", "InvalidIDPwithindirectCRLTest23", "indirectCRLCA1", "indirectCRLCA1CRL", CANNOT_TELL),
    case("4.14.24", "ValidIDPwithindirectCRLTest24", "indirectCRLCA2", "indirectCRLCA1CRL", CANNOT_TELL),
    case("4.14.25", "ValidIDPwithindirectCRLTest25", "indirectCRLCA2", "indirectCRLCA1CRL", CANNOT_TELL),
    case("4.14.26", "InvalidIDPwithindirectCRLTest26", "indirectCRLCA2", "indirectCRLCA1CRL", CANNOT_TELL),
    case(
        "4.14.27", "InvalidcRLIssuerTest27", "indirectCRLCA2", ("GoodCACRL", "indirectCRLCA1CRL"), CANNOT_TELL
    ),
    case("4.14.28", "ValidcRLIssuerTest28", "indirectCRLCA3", INDIRECT_3, CANNOT_TELL),
    case("4.14.29", "ValidcRLIssuerTest29", "indirectCRLCA3", INDIRECT_3, CANNOT_TELL),
    case("4.14.30", "ValidcRLIssuerTest30", "indirectCRLCA4", "indirectCRLCA4cRLIssuerCRL", CANNOT_TELL),
    case("4.14.31", "InvalidcRLIssuerTest31", "indirectCRLCA6", INDIRECT_5, CANNOT_TELL),
    case("4.14.32", "InvalidcRLIssuerTest32", "indirectCRLCA6", INDIRECT_5, CANNOT_TELL),
    case("4.14.33", "ValidcRLIssuerTest33", "indirectCRLCA6", INDIRECT_5, CANNOT_TELL),
    case("4.14.34", "InvalidcRLIssuerTest34", "indirectCRLCA5", INDIRECT_5, CANNOT_TELL),
    case("4.14.35", "InvalidcRLIssuerTest35", "indirectCRLCA5", INDIRECT_5, CANNOT_TELL),
]

DELTA_1 = ("deltaCRLCA1CRL", "deltaCRLCA1deltaCRL")
DELTA_2 = ("deltaCRLCA2CRL", "deltaCRLCA2deltaCRL")
DELTA_3 = ("deltaCRLCA3CRL", "deltaCRLCA3deltaCRL")
NO_BASE = "deltaCRLIndicatorNoBaseCA"
DELTAS = [
    case("4.15.1", "InvaliddeltaCRLIndicatorNoBaseTest1", NO_BASE, f"{NO_BASE}CRL", CANNOT_TELL),
    case("4.15.2", "ValiddeltaCRLTest2", "deltaCRLCA1", DELTA_1),
    case("4.15.3", "InvaliddeltaCRLTest3", "deltaCRLCA1", DELTA_1, REVOKED),
    case("4.15.4", "InvaliddeltaCRLTest4", "deltaCRLCA1", DELTA_1, REVOKED),
    case("4.15.5", "ValiddeltaCRLTest5", "deltaCRLCA1", DELTA_1),
    case("4.15.6", "InvaliddeltaCRLTest6", "deltaCRLCA1", DELTA_1, REVOKED),
    case("4.15.7", "ValiddeltaCRLTest7", "deltaCRLCA1", DELTA_1),
    case("4.15.8", "ValiddeltaCRLTest8", "deltaCRLCA2", DELTA_2),
    case("4.15.9", "InvaliddeltaCRLTest9", "deltaCRLCA2", DELTA_2, REVOKED),
    case("4.15.10", "InvaliddeltaCRLTest10", "deltaCRLCA3", DELTA_3, CANNOT_TELL),
]

RIGHT = [*BASIC, *POINTS, *DELTAS]


def numbered(one: Case) -> str:
    return one.number


@pytest.mark.parametrize("one", RIGHT, ids=numbered)
def test_as_pkits_says(one: Case) -> None:
    assert one.verdict() is one.ours
    assert (one.ours is None) is one.is_valid


@pytest.mark.parametrize("one", NOT_TOLD_YET, ids=numbered)
def test_what_is_not_told_yet_is_never_valid(one: Case) -> None:
    """Strictly what is said today, so that a change has to be written down here."""
    assert one.verdict() is one.ours is CANNOT_TELL


@pytest.mark.parametrize("one", DELTAS[1:9], ids=numbered)
def test_the_delta_list_is_what_is_asked(one: Case) -> None:
    *_, answer = one.answers()
    (found,) = answer.lists
    assert (found.complete.facts.place, found.delta.facts.place) == one.lists
    assert found.without is None


@pytest.mark.parametrize(
    ("number", "alone"), [("4.15.4", None), ("4.15.5", REVOKED), ("4.15.6", REVOKED), ("4.15.2", None)]
)
def test_without_its_delta_list_the_complete_one_decides(number: str, alone: Reason | None) -> None:
    """The counter-proof: these verdicts hang on the delta list alone."""
    (one,) = (one for one in DELTAS if one.number == number)
    assert dataclasses.replace(one, lists=one.lists[:1]).verdict() is alone


def test_no_case_of_these_sections_is_left_out() -> None:
    """PKITS numbers its cases in its file names; each section's are there from the first to the last."""
    for section, there in (("4.4", BASIC), ("4.14", [*POINTS, *NOT_TOLD_YET]), ("4.15", DELTAS)):
        assert [one.number for one in there] == [f"{section}.{place}" for place in range(1, len(there) + 1)]
        assert [re.findall(r"Test(\d+)EE", one.leaf) for one in there] == [
            [one.number.rpartition(".")[2]] for one in there
        ]
    listed = {one.leaf for one in (*RIGHT, *NOT_TOLD_YET)}
    words = re.compile(r"CRL|Revoked|SerialNumber|istributionPoint|onlyContains|onlySomeReasons|cRLIssuer")
    elsewhere = re.compile(r"BasicSelfIssued|keyUsage")  # 4.5 and 4.7
    files = {file.stem for file in (DATA / "certs").glob("*Test*EE.crt")}
    assert {name for name in files if words.search(name) and not elsewhere.search(name)} <= listed
