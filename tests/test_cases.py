"""Cases as data (fixtures/cases): ours says what the clause says, and every judge what docs/interoperability.md says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bridge.relying.finding.material import Material
from bridge.relying.verify import VerifiedPath
from fixtures.make_interoperability import PAGE
from tests.cases import gnutls
from tests.cases.document import render
from tests.cases.judging import judge_entries
from tests.cases.load import Case, CaseRefused, load
from tests.cases.matrix import JUDGES, run
from tests.cases.ours import carried, outcome, published, words_of
from tests.cases.world import BuiltCase, build
from tests.components import missing

CASES = [case for family in load() for case in family.cases]
BY_ID = {case.id: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_ours_says_what_the_clause_says(case: Case, tmp_path: Path) -> None:
    built = build(case)
    require_expected(built, published(built, tmp_path))
    if case.entry.manifest is None:  # which a bag does not have
        require_expected(built, carried(built))


def require_expected(built: BuiltCase, material: Material) -> None:
    """The expected verdict, and if that is valid, of the path that is drawn."""
    found = outcome(built, material)
    assert words_of(found) == built.case.entry.expect, str(found)
    if isinstance(found, VerifiedPath):
        anchor = next(one for one in built.anchors if one.subject == built.case.chain[0].party)
        assert found.certificates == (anchor.der, *(one.der for one in built.path))


@pytest.mark.long
def test_the_page_is_what_the_judges_say(tmp_path: Path) -> None:
    """Nobody differs without an explanation, no explanation is in vain, and the page is of this run."""
    for key, entry in judge_entries().items():
        if not (version := JUDGES[key].version()).startswith(entry.name):
            missing(f"the page was made with {entry.name}, here is {version}")
    found = run(tmp_path)
    assert found.surprises() == []
    assert PAGE.read_text(encoding="utf-8") == render(found), "python -m fixtures.make_interoperability"


# What fixtures/judges.toml says of judges that are not asked


@pytest.mark.parametrize(
    ("case", "asked", "word"),
    [
        ("mapping/over-the-bridge", {"flags": 0}, "unknown critical extensions"),
        ("mapping/missing", {}, "verified"),
        ("lists/all-missing", {"lists": True}, "verified"),
        ("revoked/in-the-list-of-another-town", {"lists": True}, "revoked"),
        ("revoked/holder", {"lists": True}, "verified"),
    ],
)
def test_gnutls_is_no_judge_of_policies_and_parts(case: str, asked: dict, word: str) -> None:
    assert gnutls.verdict(build(BY_ID[case]), **asked).word == word


# What the loader refuses


RIGHT = """
about = "One case"
[cases.one]
chain = "gpki > bridge > tokyo > holder"
clause = "RFC 5280 6.1"
expect = "valid"
"""


def test_a_right_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "family.toml").write_text(RIGHT)
    ((case,),) = [family.cases for family in load(tmp_path)]
    assert (case.id, case.expected.valid, len(case.chain)) == ("family/one", True, 4)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("clause", "claus", "unknown field `claus`"),
        ("RFC 5280 6.1", '" \nexpects = "valid', "unknown field `expects`"),
        ("[cases.one]", "[case.one]", "unknown field `case`"),
        ("[cases.one]", "[cases.One]", "family/One"),
        ('"valid"', '"fine"', "no verdict"),
        ('"valid"', '"refused because of rain at step 1"', "of rain"),
        ("bridge", "brigde", "'brigde' is nobody"),
        ("bridge", "bridge.g9", "'bridge.g9' is nobody"),
        ("holder", "holder.g2", "'holder.g2' is nobody"),
        ("bridge", "bridge [maps]", "'maps' is not understood"),
        ("bridge", "bridge [maps 2.999.1=3.4]", "no policy of the examples"),
        ("bridge", "bridge [expired]", "'expired' says nothing that is known"),
        ("bridge", "bridge [until yesterday]", "no time"),
        ("bridge", "bridge [no CA really]", "takes nothing"),
        ("bridge", "bridge [path 0; path 1]", "says again"),
        ("bridge > tokyo > holder", "bridge ] tokyo", "no part of a chain"),
        ("gpki > bridge > tokyo > holder", "gpki", "somebody below"),
        ('"valid"', '"valid"\nlists = { "tokyo" = "missing" }', "names no list"),
        ('"valid"', '"valid"\nlists = { "tokyo chiyoda" = "mising" }', "says nothing that is known"),
        ('"valid"', '"valid"\npolicies = ["1.2.3"]', "no policy of the examples"),
        ('"valid"', '"valid"\nalso = ["tokyo [no CA] > bridge"]', "cannot be changed here"),
        ('"valid"', '"valid"\nanchors = ["gpki"]\nchain = "gpki"', "family.toml"),
        ('"valid"', '"valid"\ndemand = ["nothing"]', "family.toml"),
        ('"valid"', '"valid"\njudges.nobody = { verdict = "valid", because = "x" }', "family.toml"),
        ('"valid"', '"valid"\njudges.java = { verdict = "perhaps", because = "x" }', "family.toml"),
        ('"valid"', '"valid"\n[cases.one]\nclause = "again"', "family.toml"),
        ('"valid"\n', f'"valid"\n[cases.two]{RIGHT.partition("[cases.one]")[2]}', "family/two poses what family/one poses"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in RIGHT
    (tmp_path / "family.toml").write_text(RIGHT.replace(old, new, 1))
    with pytest.raises(CaseRefused) as refused:
        load(tmp_path)
    assert words in str(refused.value)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "family.toml").write_text(f'{RIGHT}lists = {{ "tokyo kyoto" = "missing" }}\n')
    ((case,),) = [family.cases for family in load(tmp_path)]
    with pytest.raises(ValueError, match="there is no list 'kyoto'"):
        build(case)


def test_openssl_reads_what_is_built(tmp_path: Path) -> None:
    """An independent reader finds in the octets what the words ask for."""
    built = build(BY_ID["mapping/over-the-bridge"])
    (tmp_path / "bridge.cer").write_bytes(built.path[0].der)
    command = ["openssl", "x509", "-inform", "DER", "-in", tmp_path / "bridge.cer", "-noout", "-text"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for words in ("Policy: 2.999.1", "2.999.1:2.999.2", "Require Explicit Policy:0", "CA:TRUE"):
        assert words in text
