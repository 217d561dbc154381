"""Editions: what is refused and what is said of it, and that no edition can surprise its reader."""

import shutil
import string
import tomllib
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.crossing.edition import municipalities_path, read_edition
from bridge.crossing.plan import make_plan
from bridge.manifest import Marking
from ca.errors import EditionRefused, NotFound
from ca.model import HOLDER_KINDS, CertificateKind, RevocationReason
from ca.names import Municipalities
from ca.rules.residents import CONFIGURABLE, POSSIBLE_REASONS, ChangeKind, LapseRules
from front.assembly import plan_of
from front.home import Description
from tests.commands import done, refused, run, tree
from tests.small_edition import JAPAN_2014, replaced, small_edition

JAPAN_2016 = JAPAN_2014.with_name("japan-2016.toml")
TABLE = Path(__file__).parent.parent / "fixtures" / "municipalities.csv"
URL = "http://127.0.0.1:8080"


@pytest.fixture
def refuse(tmp_path):
    """Make a world of this text: it is refused in one line with these words, and nothing is made."""

    def refuse(text, *words, marking=("--test-keys",)):
        path = tmp_path / "bad.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        command = ("init", "--edition", path, "--home", tmp_path / "home", *marking)
        refused(run(*command), str(path), *words)
        assert not (tmp_path / "home").exists()

    return refuse


ONE = r'\["gpki-signature", "jpki-signature"\]'
CARRIED = r'policies = \["gpki-signature", "gpki-user-authentication"\]\nreverse'
TWICE = '[[cross]]\nbetween = ["gpki-post", "gpki-bca"]\npolicies = ["gpki-signature"]\n\n[holders.signature]'

# What is changed (a pattern), into what, where that is, and what is wrong with it there.
REFUSED = [
    # Unknown and missing keys
    ("format = 1", "format = 1\ncolour = 2", ".toml:", "unknown field `colour`"),
    ("self_signed_years = 10", "self_signed_years = 10\nmonths = 1", "periods:", "`months`"),
    ('role = "government"', 'role = "government"\nage = 1', "authorities[1]:", "`age`"),
    ('domain = "jpki"', 'domain = "jpki"\nx = 1', "policies.jpki-signature:", "`x`"),
    ("minimum_age = 15", "maximum_age = 15", "holders.signature:", "`maximum_age`"),
    ('kind = "ministry"', 'kind = "ministry"\nx = 1', "offices[1]:", "`x`"),
    # Words of the marking
    ('jpki = "JPKI"', 'jpki = "JPKI"\nx = "1"', "marking.test:", "lacks `x`, which marking.production has"),
    ('jpki = "JPKI"', "jpki = 1", "marking.production.jpki:", "Expected `str`, got `int`"),
    ('jpki = "JPKI-TEST"', 'jpki = ""', "marking.test.jpki:", "regex"),
    (
        'organisation = "jpki"',
        'organisation = "mpki"',
        "authorities[2].organisation:",
        "'mpki' is not a word",
    ),
    ('organisation = "jpki"', 'organisation = "jpki_japanese"', "authorities[2].organisation:", "_japanese'"),
    ('between = \\["gpki-bca", "gpki-post"\\]', "", "cross[2]:", "missing required field `between`"),
    ('anchor = "gpki-bca"', "", ".toml:", "missing required field `anchor`"),
    # The format
    ("format = 1", "format = 2", "format:", "is 2; this version reads format 1"),
    ("format = 1", "format = true", "format:", "Expected `int`"),
    ("format = 1", "", ".toml:", "`format`"),
    # A CA that is missing
    ('"jpki-bridge", "prefectures"', '"jpki-brigde", "prefectures"', "cross[1].between[0]:", "'jpki-brigde'"),
    ('"gpki-bca", "gpki-post"', '"gpki-bca", "gpki-past"', "cross[2].between[1]:", "'gpki-past' is missing"),
    ('anchor = "gpki-bca"', 'anchor = "nobody"', "anchor:", "'nobody' is missing"),
    ('repository = "jpki-bridge"', 'repository = "nobody"', "repository:", "'nobody' is missing"),
    ("nation = false", "nation = true", "prefectures.codes:", "prefecture 01, 02, 03"),
    ('authority = "gpki-post"', 'authority = "gone"', "offices[1].authority:", "'gone' is missing"),
    ('authority = "gpki-post"', "", "offices[1].authority:", "is missing"),
    ('between = \\["gpki-bca", "gpki-post"\\]', 'between = ["jpki-bridge", "gpki-bca"]', "cross:", "twice"),
    ('"gpki-bca", "jpki-bridge"', '"gpki-bca", "gpki-post"', "cross:", "stands there twice"),
    ('"jpki-bridge", "prefectures"', '"jpki-bridge", "jpki-31"', "cross:", "lead from the anchor to jpki-13"),
    # anyPolicy
    (ONE, '["gpki-signature", "anyPolicy"]', "cross[0].map[0]:", "anyPolicy"),
    (ONE, '["anyPolicy", "jpki-signature"]', "cross[0].map[0]:", "anyPolicy"),
    (ONE, '["gpki-signature", "2.5.29.32.0"]', "cross[0].map[0]:", "anyPolicy"),
    ('test = "2.999.2014.1.1"', 'test = "2.5.29.32.0"', "policies.gpki-signature.test:", "anyPolicy"),
    ('production = "2.999.2014.2.1"', 'production = "2.5.29.32.0"', "gpki-signature.production:", "RFC 5280"),
    (CARRIED, 'policies = ["anyPolicy"]\nreverse', "cross[0].policies:", "anyPolicy"),
    ('policy = "jpki-signature"', 'policy = "anyPolicy"', "holders.signature.policy:", "anyPolicy"),
    # Policies
    ('policy = "jpki-signature"', 'policy = "nope"', "holders.signature.policy:", "One of: jpki-signature"),
    (ONE, '["gpki-signature", "nope"]', "cross[0].map[0]:", "'nope' is not a policy"),
    (ONE, '["gpki-signature", "gpki-user-authentication"]', "cross[0].map[0]:", "within the domain gpki"),
    (CARRIED, 'policies = ["gpki-signature"]\nreverse', "cross[0].map:", "does not carry"),
    (CARRIED, "policies = []\nreverse", "cross[0].policies:", "names no policy"),
    ('test = "2.999.2014.1.1"', 'test = "signature"', "gpki-signature.test:", "not an object identifier"),
    ('test = "2.999.2014.1.1"', 'test = "1.40.1"', "gpki-signature.test:", "not an object identifier"),
    ('test = "2.999.2014.1.1"', 'test = "3.1"', "gpki-signature.test:", "not an object identifier"),
    ('test = "2.999.2014.1.1"', 'test = "2.999.01"', "gpki-signature.test:", "not an object identifier"),
    ('test = "2.999.2014.1.1"', 'test = "2.999.2014.1.2"', "gpki-user-authentication.test:", "already"),
    # Names
    ('"OfficialPostCA"\\]\\]\njap', '"bridgeca"]]\njap', "authorities:", "gpki-bca have one name"),
    ('id = "gpki-post"', 'id = "gpki-bca"', "authorities:", "gpki-bca stands there twice"),
    ('id = "gpki-post"', 'id = "GPKI/post"', "authorities[1].id:", "lower-case"),
    ('name = \\[\\["C", "JP"\\]', 'name = [["C", "Japan"]', "authorities[0].name:", "two letters"),
    ('name = \\[\\["C", "JP"\\]', 'name = [["X", "JP"]', "authorities[0].name:", "One of: C, O, OU, L, CN"),
    ('"BridgeCA"\\]\\]', f'"{"x" * 65}"]]', "authorities[0].name:", "1 to 64 characters"),
    ('id = "jpki-\\{code\\}"', 'id = "jpki-{town}"', "prefectures.id:", "{town} has no meaning here"),
    ('id = "jpki-\\{code\\}"', 'id = "jpki-bridge"', "authorities:", "jpki-bridge stands there twice"),
    ('points = \\[\\["C", "JP"\\]', 'points = [["Z", "JP"]', "holders.signature.points:", "'Z'"),
    ('name = "small"', 'name = "a\\nb"', "name:", "regex"),
    ('name = "small"', 'name = "\\u007f"', "name:", "regex"),
    # Prefectures
    ('codes = \\["13"', 'codes = ["99"', "prefectures.codes:", "'99' is not a prefecture"),
    ('codes = \\["13"', 'codes = ["31"', "authorities:", "jpki-31 stands there twice"),
    # Kinds and their rules
    ('holders = \\["official-post"\\]', 'holders = ["visitor"]', "authorities[1].holders:", "One of: "),
    ('holders = \\["official-post"\\]', 'holders = ["cross"]', "authorities[1].holders:", "not a kind"),
    ("\\[holders.official-post\\]", "[holders.other]", "authorities[1].holders:", "no table"),
    ("birthdays = 5", "birthdays = 0", "holders.signature.validity:", "birthdays"),
    ("renewal_months = 3", "renewal_months = 99", "holders.signature.validity:", "renewal_months"),
    ('rule = "years"', 'rule = "yearz"', "holders.official-post.validity.rule:", "'yearz'"),
    ("years = 3", "years = 0", "holders.official-post.validity:", "0 years"),
    ("minimum_age = 15", "minimum_age = -1", "holders.signature.minimum_age:", ">= 0"),
    ('cps = "\\{url\\}/cps/jpki"', 'cps = "{place}"', "holders.signature.cps:", "{place}"),
    ('cps = "\\{url\\}/cps/jpki"', 'cps = "規程"', "holders.signature.cps:", "not a URI"),
    (
        'policy = "jpki-signature"',
        'policy = "gpki-signature"',
        "prefectures.service_policies:",
        "signature cert",
    ),
    (
        "minimum_age = 15",
        'within = "signature"',
        "holders.signature.within:",
        "'signature' is not another kind",
    ),
    ("minimum_age = 15", 'within = "cross"', "holders.signature.within:", "'cross' is not another kind"),
    ("minimum_age = 15", 'within = "lg-post"', "holders.signature.within:", "no CA issues lg-post"),
    ("minimum_age = 15", 'authority_key = "serial"', "holders.signature.authority_key:", "'serial'"),
    (
        '"JPKI for user authentication"',
        '"JPKI for digital signature"',
        "user-authentication.points:",
        "one name",
    ),
    # Services
    (
        'role = "government"',
        'role = "government"\nservices = ["post"]',
        "authorities[1].services[0]:",
        "'post'",
    ),
    (
        'role = "government"',
        f'role = "government"\nservices = {2 * ["time-stamp"]}',
        "authorities[1].services:",
        "twice",
    ),
    # Periods
    ("self_signed_years = 10", "self_signed_years = 0", "periods.self_signed_years:", ">= 1"),
    ("self_signed_years = 10", "self_signed_years = 8000", "periods.self_signed_years:", "<= 100"),
    ("self_signed_years = 10", "self_signed_years = 9", "periods.repository_days:", "the 3286 days"),
    ("cross_years = 10", "cross_years = -1", "periods.cross_years:", ">= 1"),
    ("responder_days = 30", "responder_days = 3653", "periods.responder_days:", "more than the 3651 days"),
    (
        "responder_days = 30",
        "responder_days = 7",
        "status.responder_overlap_days:",
        "not less than the 7 days",
    ),
    ("repository_days = 3650", "repository_days = 99999999999", "periods.repository_days:", "<="),
    ("next_update_hours = 48", "next_update_hours = 0", "periods.next_update_hours:", ">= 1"),
    # Offices
    ('id = "ministry-1"', 'id = "centre"', "offices:", "twice"),
    ('id = "ministry-1"', 'id = "131016"', "offices[1].id:", "regex"),
    ('id = "ministry-1"', 'id = "../x"', "offices[1].id:", "regex"),
    ('kind = "ministry"', 'kind = "centre"', "offices:", "not exactly one centre"),
    ('kind = "ministry"', 'kind = "palace"', "offices[1].kind:", "'palace'"),
    (
        'kind = "centre"',
        'kind = "centre"\nauthority = "gpki-post"',
        "offices[0].authority:",
        "applies for nothing",
    ),
    (
        'authority = "gpki-post"',
        'authority = "jpki-31"',
        "offices[1].authority:",
        "jpki-31 has the role prefecture, not government",
    ),
    (
        'kind = "ministry"',
        'kind = "local-government"',
        "offices[1].authority:",
        "gpki-post has the role government, not organisation",
    ),
    # Types
    ('title = "[^"]*"', "title = 5", "title:", "Expected `str`, got `int`"),
    ("old_kind = false", 'old_kind = "no"', "old_kind:", "Expected `bool`"),
    ("cross_years = 10", "cross_years = 1.5", "periods.cross_years:", "Expected `int`, got `float`"),
    ("\\[periods\\]", "[[periods]]", "periods:", "Expected `object`, got `array`"),
    ("\\[policies.gpki-signature\\]", "[[policies.gpki-signature]]", "policies.gpki-signature:", "`object`"),
    ('name = \\[\\["C", "JP"\\]', 'name = [["C", "JP", "x"]', "authorities[0].name[0]:", "length 2"),
    # Other files and suites
    (
        'suite = "sha256-rsa2048"',
        'suite = "md5-rsa512"',
        "suite:",
        "One of: sha1-rsa1024, sha1-rsa2048, sha256-rsa2048",
    ),
    ('municipalities = "municipalities.csv"', 'municipalities = "towns.csv"', "municipalities:", "towns.csv"),
    ('municipalities = "municipalities.csv"', 'municipalities = "../x.csv"', "municipalities:", "../x.csv"),
    ('municipalities = "municipalities.csv"', 'municipalities = "bad.toml"', "municipalities:", "bad.toml"),
    ("municipalities.csv", f"{'x' * 300}.csv", "municipalities:", "xxx"),
    # Not TOML
    ("format = 1", "= =", ".toml:", "is not TOML"),
    ("format = 1", "format = " + "[" * 5000, ".toml:", "is not TOML"),
    ("format = 1", "format = 1\nformat = 1", ".toml:", "is not TOML"),
]


@pytest.mark.parametrize(("pattern", "by", "place", "problem"), REFUSED)
def test_a_bad_edition_is_refused_with_its_place(pattern, by, place, problem, refuse):
    refuse(replaced(small_edition(), pattern, by), place, problem)


@pytest.mark.parametrize(
    ("octets", "problem"),
    [(b"", "`format`"), (b"\xff\xfe", "is not TOML"), (b"#" * (1 << 23) + b"\n", "is longer than 8388608")],
)
def test_a_file_that_is_no_edition_is_refused(octets, problem, refuse):
    refuse(octets, problem)


def test_a_pair_that_stands_there_twice_is_refused(refuse):
    refuse(replaced(small_edition(), r"\[holders.signature\]", TWICE), "cross:", "twice")


@pytest.mark.parametrize("marking", [("--test-keys",), ("--production",)])
def test_an_edition_is_checked_for_both_markings(marking, refuse):
    text = replaced(small_edition(), 'test = "2.999.2014.1.1"', 'test = "2.5.29.32.0"')
    refuse(text, "policies.gpki-signature.test:", marking=marking)


@pytest.mark.parametrize(
    "name", ["japan-1999", "no.toml", "../japan-2014", ".", "", "/dev/null/x", 300 * "x"]
)
def test_an_edition_that_is_not_there_is_refused_with_those_that_are(name, tmp_path):
    outcome = run("init", "--edition", name, "--test-keys", "--home", tmp_path / "home")
    refused(outcome, f"edition {name}", "cannot be read", "japan-2014")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["https://a", "ftp://a", "http://", "http:///x", "http://[::1", "http://a b", "http://a\nb", "http://a:99999",
     "http://a:x", "http://a?b", "http://a#b", "http://日本", "x", "", "http://u:p@a", "http://a\x7f", 'http://a"',
     "http://a\\b", "http://a/../b", "http://" + "a" * 120],
)  # fmt: skip
def test_a_url_that_certificates_cannot_carry_is_refused(url, edition_file, tmp_path):
    command = ("init", "--edition", edition_file, "--test-keys", "--home", tmp_path / "home", "--url", url)
    refused(run(*command), "--url:")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("url", ["http://a", "http://a/", "http://ca.example.org:80/pki", "http://[::1]:80"])
def test_a_plain_url_stands_in_the_home(url, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(replaced(small_edition(), r"codes = \[.*?\]", "codes = []"), encoding="utf-8")
    done(run("init", "--edition", path, "--test-keys", "--home", tmp_path / "home", "--url", url))
    tables = tomllib.loads((tmp_path / "home" / "home.toml").read_text(encoding="utf-8"))
    assert tables["url"] == url.rstrip("/")


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        ("2031-01-01T00:00Z", "suite sha256-rsa2048: may not sign after 2030-12-31"),
        ("1949-12-31T00:00Z", "--clock: 1949-12-31 is not in 1950 to 2100"),
        ("9999-12-31T23:59Z", "--clock: 9999-12-31 is not in 1950 to 2100"),
        ("9999-12-31T23:59Z+9999999", "--clock: 9999-12-31 is not in 1950 to 2100"),
        ("2014-13-01T00:00Z", "--clock: '2014-13-01T00:00Z' is not a moment"),
        ("2014-09-01", "--clock: '2014-09-01' is not of the form"),
        ("2014-09-01T00:00Z+-1", "--clock: '2014-09-01T00:00Z+-1' is not of the form"),
        ("", "--clock: '' is not of the form"),
    ],
)
def test_a_moment_at_which_no_world_can_be_made_is_refused(clock, words, edition_file, tmp_path):
    command = ("init", "--edition", edition_file, "--test-keys", "--home", tmp_path / "home")
    refused(run(*command, "--clock", clock), words)
    assert not (tmp_path / "home").exists()


# The table of municipalities


@pytest.mark.parametrize("name", ["small.toml", "./small.toml"])
def test_the_table_beside_an_edition_counts(name, edition_file, tmp_path, monkeypatch):
    lines = TABLE.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if ",31," in line]
    text = replaced(edition_file.read_text(encoding="utf-8"), r"codes = \[.*?\]", 'codes = ["31"]')
    (tmp_path / "small.toml").write_text(replaced(text, "nation = false", "nation = true"), encoding="utf-8")
    (tmp_path / "municipalities.csv").write_text("".join([lines[0], *kept[:5]]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    done(run("init", "--edition", name, "--test-keys", "--home", "home"))
    done(run("list", "publish", "--home", "home"))  # the journal's head is placed with the first publication
    before = tree(tmp_path / "home")
    assert len([path for path in before if path.startswith("repository/g/jpki-31.g1/crl/sig")]) == 3 * 5
    # The home keeps its table, from wherever it is worked in.
    shutil.move(tmp_path / "municipalities.csv", tmp_path / "elsewhere.csv")
    monkeypatch.chdir(tmp_path / "home")
    with pytest.raises(NotFound):
        plan_of("edition.toml", description("small")).municipalities.window("131016")
    done(run("list", "publish", "--home", "."))
    assert tree(tmp_path / "home") == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.partition("\n")[0], "municipalities.csv: has no rows"),
        (lambda text: text.replace("131016", "131017", 1), "'131017' is not a code with a right check digit"),
        (lambda text: text.replace("011011", "011029", 1), "011029 stands there twice"),
        (lambda text: text.replace("ward", "wart", 1), "line"),
        (lambda text: text.replace("code", "kode", 1), "line 2"),
        (lambda text: text.replace("\n", '\n"', 1), "municipalities.csv"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(change, words, edition_file, tmp_path):
    shutil.copy(edition_file, tmp_path / "small.toml")
    text = change(TABLE.read_text(encoding="utf-8"))
    (tmp_path / "municipalities.csv").write_text(text, encoding="utf-8")
    command = ("init", "--edition", tmp_path / "small.toml", "--test-keys", "--home", tmp_path / "home")
    refused(run(*command), "municipalities.csv", words)
    assert not (tmp_path / "home").exists()


# What an edition may be


def description(edition, marking="test"):
    return Description(state="making", marking=marking, edition=edition, url=URL)


@pytest.mark.parametrize("marking", ["test", "production"])
def test_the_built_in_nation_is_whole_under_either_marking(marking):
    plan = plan_of("japan-2014", description("japan-2014", marking))
    assert (len(plan.practices), len(plan.crosses), plan.marking) == (50, 98, marking)
    windows = [office for office in plan.offices if office.kind == "window"]
    assert len(windows) == len([row for row in plan.municipalities if row.has_window])


def test_the_old_kind_is_three_years_of_the_signature_kind_alone():
    text = replaced(small_edition(), "old_kind = false", "old_kind = true")
    edition = read_edition(text.encode(), "old")
    table = Municipalities.read(municipalities_path(edition, "old"))
    plan = make_plan(edition, Marking.TEST, URL, table, "old")
    held = plan.practices["jpki-31"].holders
    assert list(held) == ["signature"]
    assert held["signature"].validity.years == 3


@pytest.mark.parametrize("keys", ["p-256", "p-384", "ml-dsa-65"])
def test_keys_to_which_nobody_encrypts_are_not_those_of_encrypted_communication(keys, refuse):
    listed = f'keys = ["rsa-2048", "{keys}"]\n'
    text = replaced(
        JAPAN_2016.read_text(encoding="utf-8"),
        r"\[holders.lg-encryption\]\n",
        f"[holders.lg-encryption]\n{listed}",
    )
    clause = "RFC 9881 5" if keys.startswith("ml") else "RFC 8813 3"
    words = f"{keys} keys are never for key_encipherment or data_encipherment, as lg-encryption certificates"
    refuse(text, "holders.lg-encryption.keys:", words, clause)


@pytest.mark.parametrize("keys", ["p-256", "p-384", "ml-dsa-65"])
def test_keys_that_sign_are_those_of_kinds_that_sign(keys):
    text = JAPAN_2016.read_text(encoding="utf-8")
    for kind in ("signature", "user-authentication", "official-post", "lg-post", "lg-user"):
        text = replaced(text, rf"\[holders.{kind}\]\n", f'[holders.{kind}]\nkeys = "{keys}"\n')
    edition = read_edition(text.encode(), "changed")
    plan = make_plan(
        edition, Marking.TEST, URL, Municipalities.read(municipalities_path(edition, "changed")), "changed"
    )
    encrypted_to = {
        (kind, holder.keys.encrypted_to)
        for practice in plan.practices.values()
        for kind, holder in practice.holders.items()
    }
    assert {kind for kind, it_is in encrypted_to if it_is} == {"lg-encryption"}
    assert len(encrypted_to) == 6


def small_plan(addition):
    edition = read_edition((small_edition() + addition).encode(), "small")
    table = Municipalities.read(municipalities_path(edition, "small"))
    return make_plan(edition, Marking.TEST, URL, table, "small")


def test_what_an_edition_chooses_of_the_table_of_lapses_holds_for_every_authority():
    chosen = '[lapses]\nfound_lifts = ["user-authentication"]\n[lapses.reasons]\ncard-lapsed = "superseded"\n'
    for addition, rules in {
        "": LapseRules(),
        chosen: LapseRules(
            {ChangeKind.CARD_LAPSED: RevocationReason.SUPERSEDED},
            frozenset({CertificateKind.USER_AUTHENTICATION}),
        ),
        **{
            f'[lapses.reasons]\n{kind} = "{reason.word}"\n': LapseRules({kind: reason})
            for kind, reason in product(CONFIGURABLE, POSSIBLE_REASONS)
        },
    }.items():
        plan = small_plan(addition)
        assert plan.lapses == rules
        assert all(practice.lapses == rules for practice in plan.practices.values())


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ('[lapses]\nfound = ["signature"]', "lapses: Object contains unknown field `found`"),
        ('[lapses]\nfound_lifts = ["lg-post"]', r"lapses.found_lifts\[0\]: Invalid enum value 'lg-post'"),
        ('[lapses.reasons]\nlost = "unspecified"', "lapses.reasons: Object contains unknown field `lost`"),
        ('[lapses.reasons]\ndied = "keyCompromise"', "lapses.reasons.died: Invalid enum value 'keyComp"),
        ('[lapses.reasons]\ndied = "certificateHold"', "lapses.reasons.died: Invalid enum value"),
    ],
)
def test_what_the_law_decides_no_edition_chooses(addition, words):
    with pytest.raises(EditionRefused, match=words):
        small_plan(addition)


def test_the_national_authorities_serve_every_window_each_with_its_own_kind():
    plan = plan_of("japan-2016", description("japan-2016"))
    windows = [office for office in plan.offices if office.kind == "window"]
    assert len(windows) == len([row for row in plan.municipalities if row.has_window])
    assert {office.authorities for office in windows} == {("jpki-signature", "jpki-user-authentication")}
    for authority in windows[0].authorities:
        practice = plan.practices[authority]
        (kind,) = practice.holders
        assert (authority, practice.role) == (f"jpki-{kind}", "national")
        assert practice.holders[kind].authority_key == "all parts"
        assert len(list(practice.places(plan.municipalities))) == 2 + len(windows)
    assert plan.practices["jpki-signature"].holders["signature"].within == "user-authentication"


def test_all_but_the_residents_certificates_name_a_key_alone():
    plan = plan_of("japan-2016", description("japan-2016"))
    forms = {
        kind: holder.authority_key
        for practice in plan.practices.values()
        for kind, holder in practice.holders.items()
    }
    assert {kind for kind, form in forms.items() if form == "all parts"} == {
        "signature",
        "user-authentication",
    }
    assert forms.keys() == HOLDER_KINDS


def test_the_offices_of_local_governments_apply_to_the_organisation_authority():
    plan = plan_of("japan-2016", description("japan-2016"))
    local = [office for office in plan.offices if office.kind == "local-government"]
    assert [(office.id, office.authorities) for office in local] == [
        (name, ("lgpki-organisation",)) for name in ("local-1", "local-2")
    ]


# What is changed in japan-2016 (a pattern), into what, where that is, and what is wrong with it there.
NATIONAL_REFUSED = [
    ('between = \\["gpki-bca", "gpki-post"', 'between = ["gpki-bca", "prefectures"', "cross[0].between[1]:", "missing"),
    ('name = "japan-2016"', 'name = "double"', "authorities:", "issue one kind at the window of 011011"),
    ('role = "organisation"', 'role = "government"', "authorities[5].holders:", "role government does not issue"),
    ('(?s)(service_policies = )\\["jpki-signature"\\]', 'service_policies = ["jpki-user-authentication"]',
     "authorities[2].service_policies:", "does not name every policy of its signature certificates"),
    ('"lgpki-encryption"\\]\nmap', '"gpki-encryption"]\nmap', "cross[3].map:", "does not carry"),
    ('service_policies = \\["lgpki-post", "lgpki-user", "lgpki-encryption"\\]', 'service_policies = ["lgpki-post"]',
     "cross:", "lgpki-bridge certifies gpki-bca under a policy that its service_policies do not name"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "by", "place", "problem"), NATIONAL_REFUSED)
def test_a_bad_national_edition_is_refused_with_its_place(pattern, by, place, problem, refuse):
    text = replaced(JAPAN_2016.read_text(encoding="utf-8"), pattern, by)
    if 'name = "double"' in text:
        text = replaced(
            text, r'holders = \["user-authentication"\]', 'holders = ["signature", "user-authentication"]'
        )
        own = 'service_policies = ["jpki-user-authentication"'
        text = text.replace(own, f'{own}, "jpki-signature"')
    refuse(text, place, problem)


@cache
def municipalities():
    return Municipalities.read(TABLE)


@cache
def tables():
    return tomllib.loads(small_edition())


def places(value, path=()):
    """Every place in the tables."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def changed(value, path, by):
    """The tables with another value at this place; None takes it away."""
    if not path:
        return by
    head, *rest = path
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    inner = [(key, changed(old, rest, by) if key == head else old) for key, old in pairs]
    inner = [(key, new) for key, new in inner if new is not None]
    return dict(inner) if isinstance(value, dict) else [new for _, new in inner]


def toml(value):
    """A value as inline TOML."""
    match value:
        case dict():
            return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    return repr(value)


# Words that mean something somewhere are more likely to get far than any text.
MEANT = [
    *("prefectures", "gpki-bca", "jpki-31", "jpki-signature", "gpki-signature", "signature", "official-post"),
    *(
        "centre",
        "ministry",
        "government",
        "JP",
        "OU",
        "{prefecture}",
        "{url}",
        "2.5.29.32.0",
        "2.999.7",
        "31",
    ),
]
WORDS = st.one_of(
    st.sampled_from(MEANT),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=70),
    st.text(string.ascii_lowercase + "-{}.", max_size=45),
)
VALUES = st.recursive(
    st.one_of(st.none(), WORDS, st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=4,
)


@given(place=st.sampled_from(list(places(tables()))[1:]), value=VALUES, marking=st.sampled_from(Marking))
def test_an_edition_changed_at_any_place_makes_a_plan_or_is_refused(place, value, marking):
    text = "".join(f"{name} = {toml(inner)}\n" for name, inner in changed(tables(), place, value).items())
    plan = None
    with suppress(EditionRefused):
        edition = read_edition(text.encode(), "changed")
        plan = make_plan(edition, marking, URL, municipalities(), "changed")
    if plan is not None:
        assert plan.anchor in plan.practices
        assert len({(cross.issuer, cross.subject) for cross in plan.crosses}) == len(plan.crosses)
        assert all("2.5.29.32.0" not in pair for cross in plan.crosses for pair in cross.mappings)
