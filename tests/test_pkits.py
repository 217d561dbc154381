"""NIST PKITS through ``verify``: every case as PKITS says, and what our own rules refuse beyond it."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from asn1crypto import pem

from bridge.relying.finding.carried import Carried
from bridge.relying.rejection import Reason
from bridge.relying.trust import ListKeys
from bridge.relying.verify import VerifiedPath
from ca.profiles.extensions import ANY_POLICY
from tests.pkits import ANCHOR, AT, CAS, CASES, DATA, LISTS, Case, certificate, crl

# Where PKITS lets one key of a CA sign lists about what another key of it has issued. Our generations tell of their own
# certificates alone: a list by another of them would leave all of this one's out.
LISTS_OF_ANOTHER_GENERATION = frozenset(
    {"4.5.1", "4.5.2", "4.5.4", "4.5.5", "4.6.15", "4.6.17", "4.9.6", "4.11.7", "4.12.7", "4.12.9", "4.13.19"}
)
DSA = frozenset({"4.1.4", "4.1.5"})


def numbered(case: Case) -> str:
    return case.id


@pytest.mark.parametrize("case", CASES, ids=numbered)
def test_as_pkits_says(case: Case) -> None:
    assert case.verdict(case.trust()) is case.reason


@pytest.mark.parametrize("case", CASES, ids=numbered)
def test_our_own_trust_is_stricter_in_two_ways(case: Case) -> None:
    """Lists by another generation's key, and DSA; never is anything valid that PKITS refuses."""
    verdict = case.verdict(case.trust(ListKeys.SAME_GENERATION, believes_dsa=False))
    if case.number in LISTS_OF_ANOTHER_GENERATION:
        assert verdict is Reason.CANNOT_TELL
    elif case.number in DSA:
        assert verdict is Reason.ALGORITHM
    else:
        assert verdict is case.reason


def test_the_table_is_whole() -> None:
    """249 questions: the 224 cases in their order, 23 more policy sets, and two of 4.8.1 that require no policy."""
    sections = [6, 8, 11, 21, 8, 17, 5, 20, 8, 14, 11, 10, 38, 35, 10, 2]
    wanted = [f"4.{place}.{case}" for place, cases in enumerate(sections, 1) for case in range(1, cases + 1)]
    assert list(dict.fromkeys(case.number for case in CASES)) == wanted
    assert len(wanted) == 224
    assert len(CASES) == len({case.id for case in CASES}) == 249
    for case in CASES:
        (number,) = re.findall(r"Test(\d+)$", case.leaf)
        assert case.number.endswith(f".{number}")
    # Where a case is asked once, its leaf's name begins with the verdict; those of 4.8 say nothing.
    asked = Counter(case.number for case in CASES)
    for case in CASES:
        if asked[case.number] == 1 and not case.number.startswith("4.8."):
            assert case.leaf.startswith("Invalid" if case.reason else "Valid")
    files = {file.stem.removesuffix("EE") for file in (DATA / "certs").glob("*Test*EE.crt")}
    assert {case.leaf for case in CASES} == files


# Delta lists (4.15): that the verdicts hang on them.


def path(number: str) -> VerifiedPath:
    (case,) = (case for case in CASES if case.number == number)
    return case.path(case.trust())


@pytest.mark.parametrize("number", ["4.15.2", "4.15.5", "4.15.7", "4.15.8"])
def test_the_delta_list_is_asked(number: str) -> None:
    used = path(number).lists[-1]
    assert used.delta is not None
    assert used.delta.number is not None
    assert used.number is not None
    assert used.delta.number > used.number
    assert used.without_delta is None


@pytest.mark.parametrize(
    ("number", "alone"),
    [("4.15.2", None), ("4.15.4", None), ("4.15.5", Reason.REVOKED), ("4.15.6", Reason.REVOKED)],
)
def test_without_its_delta_list_the_complete_one_decides(number: str, alone: Reason | None) -> None:
    """The counter-proof: what these are told hangs on the delta list alone."""
    (case,) = (case for case in CASES if case.number == number)
    complete = [crl(name) for name in LISTS if name != "deltaCRLCA1deltaCRL"]
    material = Carried(certificates=map(certificate, CAS), lists=complete)
    assert case.verdict(case.trust(), material) is alone


# Lists of others (4.14.22 to 4.14.35) and of separate keys (4.4.19): the signer's path is told.


@pytest.mark.parametrize(
    ("number", "steps"),
    [("4.14.22", 0), ("4.14.24", 1), ("4.14.28", 2), ("4.14.30", 2), ("4.14.33", 1), ("4.4.19", 1)],
)
def test_who_signed_a_list_is_told(number: str, steps: int) -> None:
    assert len(path(number).lists[-1].signer) == steps


# OpenSSL over the same questions

OPENSSL_DIFFERS = {
    # A key without parameters does not inherit its issuer's (RFC 3279 2.3.2).
    "4.1.5": "DSA parameters are not inherited",
    # The list's issuer is itself told of by the list that it signs, as its CA has named it: no path is built for it.
    "4.14.30": "who signs a list may not stand in it",
}


def test_openssl_says_the_same(tmp_path: Path) -> None:
    """One run for all cases that ask the same; every difference is known, with its reason."""
    files = {
        "anchor": ("CERTIFICATE", [ANCHOR]),
        "cas": ("CERTIFICATE", map(certificate, CAS)),
        "lists": ("X509 CRL", map(crl, LISTS)),
        **{case.leaf: ("CERTIFICATE", [case.der]) for case in CASES},
    }
    for name, (label, octets) in files.items():
        (tmp_path / f"{name}.pem").write_bytes(b"".join(pem.armor(label, one) for one in octets))
    command = (
        "openssl verify -CAfile anchor.pem -untrusted cas.pem -CRLfile lists.pem -crl_check_all -extended_crl"
    )
    command += f" -use_deltas -auth_level 0 -policy_check -attime {int(AT.timestamp())}"
    asked: dict[tuple[str, ...], list[Case]] = {}
    for case in CASES:
        flags = {
            "explicit": "-explicit_policy",
            "inhibit_mapping": "-inhibit_map",
            "inhibit_any": "-inhibit_any",
        }
        options = [option for field, option in flags.items() if getattr(case.demand, field)]
        for oid in sorted(case.oids) or [ANY_POLICY]:
            options += ["-policy", oid]
        asked.setdefault(tuple(options), []).append(case)
    differs = []
    for options, cases in asked.items():
        leaves = [f"{case.leaf}.pem" for case in cases]
        judge = subprocess.run(
            [*command.split(), *options, *leaves], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        right = {line.removesuffix(": OK") for line in judge.stdout.splitlines() if line.endswith(": OK")}
        differs += [case.id for case in cases if (f"{case.leaf}.pem" in right) != (case.reason is None)]
    assert sorted(differs) == sorted(OPENSSL_DIFFERS)
