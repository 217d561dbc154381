import csv
import json
import re
import xml.etree.ElementTree as ET
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.migrating.checking import Flaw, check
from bridge.migrating.plan import Generation, NameForm, PlanRefused, StatusForm
from bridge.migrating.plotting import plot
from bridge.migrating.population import cohorts, working_days
from bridge.migrating.reading import open_plan, read_plan
from bridge.migrating.reporting import fields
from bridge.migrating.simulation import Verdict, ask, simulate
from bridge.migrating.trusting import Why
from ca.errors import NotFound
from tests.commands import done, refused, run
from tests.small_edition import JAPAN_2014, replaced
from tests.suite_world import PASSPHRASE

PLANS = Path(__file__).parent.parent / "fixtures/plans"
GOOD = PLANS / "japan-2008-2020.toml"
with (PLANS / "expected.csv").open(encoding="utf-8") as file:
    EXPECTED = list(csv.DictReader(file))
GOODS = (GOOD.stem, "p384-to-ml-dsa", "rsa-to-p384")
WRONG = sorted({path.stem for path in PLANS.glob("*.toml")} - {*GOODS})
DAY = timedelta(days=1)
replace = msgspec.structs.replace
plan_of = cache(lambda name: open_plan(PLANS / f"{name}.toml"))
lived = cache(lambda name: simulate(plan_of(name)))


def without_holders(name):
    """The plan with its holders supposed, not counted: a simulation takes a tenth of the time."""
    return replace(plan_of(name), waves=())


# The history, and what it is a pattern for.


@pytest.mark.parametrize("name", GOODS)
def test_a_good_plan_strands_nobody(name):
    assert check(plan_of(name)) == ()
    assert (lived(name).strandings, lived(name).overstays) == ((), ())


def test_the_history_carries_old_certificates_to_december_2018():
    for row in lived(GOOD.stem).rows:
        valid = [span for span in row.spans if span.verdict is Verdict.VALID]
        match row.key:
            case "jpki.old":
                assert (valid[0].first, valid[-1].last) == (date(2008, 4, 22), date(2018, 12, 21))
            case "jpki.new":
                assert valid[0].first == date(2015, 12, 23)


PARTIES = [party.id for party in plan_of(GOOD.stem).relying_parties]


@pytest.mark.parametrize("party", PARTIES)
def test_an_old_certificate_is_refused_from_fiscal_2020_on(party):
    before, after = (
        ask(plan_of(GOOD.stem), party, "jpki.old", date(2020, *day)) for day in ((3, 31), (4, 1))
    )
    assert before.why is not Why.SUITE_NOT_BELIEVED
    assert after.why is Why.SUITE_NOT_BELIEVED


@pytest.mark.parametrize("party", PARTIES)
def test_a_new_certificate_is_accepted_as_long_as_the_plan_carries_whom_it_is_shown_to(party):
    (one,) = [one for one in plan_of(GOOD.stem).relying_parties if one.id == party]
    for day in (date(2015, 12, 23), date(2018, 1, 1), one.carried_until or date(2020, 6, 30)):
        assert ask(plan_of(GOOD.stem), party, "jpki.new", day) is None


def test_who_keeps_the_old_anchor_is_rightly_refused_at_the_end():
    (row,) = [
        row for row in lived(GOOD.stem).rows if (row.relying_party, row.key) == ("link-follower", "jpki.new")
    ]
    assert row.on(date(2020, 3, 31)).verdict is Verdict.VALID
    assert row.on(date(2020, 4, 1)).verdict is Verdict.REFUSED
    assert row.on(date(2015, 12, 22)).verdict is Verdict.NOBODY


# Twenty wrong plans and more.


def test_there_are_twenty_wrong_plans_and_each_says_what_is_wrong():
    assert len(WRONG) >= 20
    assert {row["plan"] for row in EXPECTED} == set(WRONG)
    for name in WRONG:
        assert (PLANS / f"{name}.toml").read_text("utf-8").startswith("# Wrong: ")


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plan_is_caught_with_day_and_reason(name):
    simulation, told = lived(name), set()
    for finding in check(plan_of(name))[:1]:
        told.add(("check", str(finding.day), finding.flaw.value, finding.place))
    for by, faults in (("stranded", simulation.strandings), ("overstayed", simulation.overstays)):
        for fault in faults[:1]:
            told.add((by, str(fault.first), fault.why.value, fault.relying_party or "holders"))
    keys = ("by", "day", "reason", "concerns")
    assert told == {tuple(row[key] for key in keys) for row in EXPECTED if row["plan"] == name}


def test_every_flaw_is_in_one_of_them():
    assert {finding.flaw for name in WRONG for finding in check(plan_of(name))} == set(Flaw)


def test_every_reason_is_in_one_of_them():
    faults = [fault for name in WRONG for fault in (*lived(name).strandings, *lived(name).overstays)]
    told = {fault.why for fault in faults}
    plan = plan_of(GOOD.stem)
    told.add(ask(replace(plan, crosses=()), "new-anchor", "jpki.new", date(2016, 1, 1)).why)
    assert ask(plan, "bank", "gpki-bca.new", date(2014, 9, 1)) is None
    keeps = replace(plan.relying_parties[-1].abilities[0], trusts=(Generation.OLD,))
    bank = replace(plan.relying_parties[-1], abilities=(keeps,))
    told.add(ask(replace(plan, relying_parties=(bank,)), "bank", "gpki-bca.new", date(2014, 9, 1)).why)
    assert told == set(Why)


# Reading.

TEXT = GOOD.read_text("utf-8")
REFUSED = [
    ("name = ", "nane = ", "Object contains unknown field `nane`", None),
    ("daily = 60\n", "", "waves[1]: Object missing required field `daily`", None),
    ("format = 1", "format = 2", "is 2; this version reads format 1", None),
    ("new_only = 2020-04-01", "new_only = 2014-04-01", "lies before phases.both", None),
    ("new_only = 2020-04-01", "new_only = 2020-04-01T00:00:00Z", "phases.new_only", None),
    ("begins = 2008-04-22", "begins = 2028-04-22", "period", None),
    ("renewal_days = 90", "renewal_days = 1096", "holders.renewal_days", None),
    ("verify_until = 2020-03-31", "verify_until = 2019-03-31", "suites.sha1-rsa2048.verify_until", None),
    ("verify_until = 2041-12-31", "believe_until = 2041-12-31", "suites.sha256-rsa2048", None),
    ('id = "jpki-bridge"', 'id = "gpki-bca"', "'gpki-bca' stands there twice", None),
    ('members = ["01", ', 'members = ["01", "01", ', "'jpki-01' stands there twice", None),
    ('id = "bank"', 'id = "tax-office"', "'tax-office' stands there twice", None),
    ('suite = "sha1-rsa2048"', 'suite = "md5"', "'md5' is not one of the plan's suites", None),
    ('suites = ["sha1-rsa2048"]', 'suites = ["md5"]', "abilities[0].suites", None),
    ('lists = ["full"]', 'lists = ["ocsp"]', "authorities[0].old.lists[0]", None),
    ('by = "gpki-bca.old"', 'by = "gpki-bca"', "crosses[0].by", None),
    ('by = "gpki-bca.old"', 'by = "jpki.old"', "is several authorities", None),
    ('by = "gpki-bca.old"', 'by = "jpki-bridge.new"', "are linked, not cross-certified", "RFC 4210 4.4"),
    ("until = 2014-12-31", "until = 2004-01-28", "crosses[0].until", "RFC 5280 4.1.2.5"),
    ('anchor = "gpki-bca"', 'anchor = "jpki"', "relying_parties[0].anchor", None),
    ("from = 2014-10-01\n", "", "stands in every ability but the first", None),
    ('authority = "jpki-13"', 'authority = "jpki-48"', "waves[0].authority", None),
    ('authority = "jpki-13"', 'authority = "gpki-bca"', "does not certify holders", None),
    ('"131016"', '"131017"', "'131017' is not a municipality code", "JIS X 0402"),
    ('["271276"]', '["131016"]', "stands in another wave too", None),
    ("daily = 60", "daily = -1", "waves[1].daily", None),
    ("daily = 60", "daily = 60\nbegins = 2016-01-01", "`begins` and `ends` go together", None),
    ("daily = 60", "daily = 60\nbegins = 2016-01-02\nends = 2016-01-01", "waves[1].ends", None),
    ("[period]", "[period", "is not TOML", None),
    ("retirement = 2018-12-31", "retirement = 9999-12-31", "authorities[2].old.retirement: 9999-12-31", None),
]


@pytest.mark.parametrize(("old", "new", "words", "clause"), REFUSED)
def test_what_is_no_plan_is_refused_with_its_place(old, new, words, clause):
    assert old in TEXT
    with pytest.raises(PlanRefused) as caught:
        read_plan(TEXT.replace(old, new, 1).encode(), "plan.toml")
    assert str(caught.value).startswith("plan.toml")
    assert words in str(caught.value)
    assert caught.value.clause == clause


@pytest.mark.parametrize("octets", [b"\xff", b"a = " + b"[" * 100_000, b"#" * (1 << 22) + b"\n"])
def test_octets_that_are_no_file_of_ours(octets):
    with pytest.raises(PlanRefused):
        read_plan(octets, "plan.toml")


def test_who_is_not_in_the_plan_cannot_be_asked():
    for party, key in (("nobody", "jpki.old"), ("bank", "jpki.older")):
        with pytest.raises(NotFound):
            ask(plan_of(GOOD.stem), party, key, date(2015, 1, 1))


# Laws.

names = st.sampled_from([*GOODS, *WRONG])
few = settings(max_examples=25)


def stranded_days(simulation):
    """(relying party, key) to the days on which it strands holders."""
    return {
        (row.relying_party, row.key): {
            day
            for span in row.spans
            if span.verdict is Verdict.STRANDED
            for day in range(span.first.toordinal(), span.last.toordinal() + 1)
        }
        for row in simulation.rows
    }


def assert_no_worse(before, after):
    then, now = stranded_days(simulate(before)), stranded_days(simulate(after))
    assert {who: days - then[who] for who, days in now.items() if days - then[who]} == {}


def everything(plan):
    """What a relying party may learn, one by one."""
    return {
        "links": True,
        "suites": tuple(plan.suites),
        "names": tuple(NameForm),
        "status": tuple(StatusForm),
        "trusts": tuple(Generation),
    }


GAINS = ("links", "suites", "names", "status", "trusts")


@few
@given(name=names, index=st.integers(0, 5), more=st.sets(st.sampled_from(GAINS), min_size=1))
def test_who_becomes_more_capable_is_never_stranded_by_it(name, index, more):
    plan = without_holders(name)
    party = plan.relying_parties[index]
    gained = {gain: everything(plan)[gain] for gain in more}
    abilities = tuple(replace(one, **gained) for one in party.abilities)
    parties = list(plan.relying_parties)
    parties[index] = replace(party, abilities=abilities)
    assert_no_worse(plan, replace(plan, relying_parties=tuple(parties)))


@few
@given(name=names, days=st.integers(1, 2000), which=st.sets(st.integers(0, 1)))
def test_a_suite_that_is_believed_longer_strands_nobody(name, days, which):
    plan = without_holders(name)
    later = {
        suite: replace(life, verify_until=life.verify_until + days * DAY) if index in which else life
        for index, (suite, life) in enumerate(plan.suites.items())
    }
    assert_no_worse(plan, replace(plan, suites=later))


@few
@given(name=names, days=st.integers(1, 2000), index=st.integers(0, 6))
def test_a_cross_certificate_that_lasts_longer_strands_nobody(name, days, index):
    plan = without_holders(name)
    crosses = list(plan.crosses)
    index %= len(crosses)
    crosses[index] = replace(crosses[index], until=crosses[index].until + days * DAY)
    assert_no_worse(plan, replace(plan, crosses=tuple(crosses)))


def paths(plan, table, generation, seen=()):
    """Every way to a key from above, as tuples of (issuer, subject, link or not, first day, last day)."""
    here = f"{table}.{generation}"
    yield here, ()
    for cross in plan.crosses:
        if cross.for_ == here and cross.by not in seen:
            for start, steps in paths(plan, *cross.by.split("."), (*seen, here)):
                yield start, (*steps, (cross.by, here, False, cross.from_, cross.until))
    (new,) = [one.new for one in plan.authorities if one.id == table]
    other = f"{table}.{'new' if generation == 'old' else 'old'}"
    if new is not None and new.links is not None and other not in seen:
        for start, steps in paths(plan, *other.split("."), (*seen, here)):
            yield start, (*steps, (other, here, True, new.links, new.links_until or plan.period.ends))


def accepted(plan, party, key, day):
    """The same judgement, reckoned the slow way: is there a path of which every step holds?"""
    ability = [one for one in party.abilities if one.from_ is None or one.from_ <= day][-1]
    tables = {one.id: one for one in plan.authorities}

    def of(name):
        table, generation = name.split(".")
        return getattr(tables[table], generation)

    def signs(name):
        its, life = of(name), plan.suites[of(name).suite]
        old = name.endswith(".old")
        if day > life.verify_until or its.suite not in ability.suites or day > life.signs_lists_until:
            return False
        if old and its.retirement is not None and day > its.retirement:
            return False
        if old:
            answers = its.responder and (its.responder_until is None or day <= its.responder_until)
        else:
            answers = its.responder is not None and its.responder <= day
        return (answers and "ocsp" in ability.status) or bool(set(its.lists) & set(ability.status))

    def holds(step):
        by, to, link, first, last = step
        return (
            first <= day <= last
            and (ability.links or not link)
            and of(to).names in ability.names
            and signs(by)
        )

    trusted = {
        f"{party.anchor}.{generation}"
        for generation in ability.trusts
        if generation == "old"
        or (tables[party.anchor].new is not None and of(f"{party.anchor}.new").key <= day)
    }
    return of(key).names in ability.names and signs(key) and any(
        start in trusted and all(map(holds, steps)) for start, steps in paths(plan, *key.split("."))
    )  # fmt: skip


@given(
    name=names,
    party=st.integers(0, 5),
    key=st.sampled_from(["jpki.old", "jpki.new"]),
    day=st.integers(0, 4452),
)
def test_the_verdict_is_that_of_trying_every_path(name, party, key, day):
    plan = plan_of(name)
    moment, one = plan.period.begins + day * DAY, plan.relying_parties[party]
    assert (ask(plan, one.id, key, moment) is None) == accepted(plan, one, key, moment)


@pytest.mark.parametrize("name", [*GOODS, *WRONG])
def test_every_day_has_one_verdict_and_it_is_the_one_of_that_day(name):
    plan = plan_of(name)
    for row in lived(name).rows:
        assert row.spans[0].first == plan.period.begins
        assert row.spans[-1].last == plan.period.ends
        for one, following in pairwise(row.spans):
            assert following.first == one.last + DAY
        for span in row.spans:
            if span.verdict is not Verdict.NOBODY:
                for day in (span.first, span.last):
                    told = ask(plan, row.relying_party, row.key, day)
                    assert (told is None) == (span.verdict in {Verdict.VALID, Verdict.OVERSTAYED})


@settings(max_examples=8)
@given(name=names, weeks=st.integers(-300, 300))
def test_a_plan_moved_by_weeks_leads_to_the_same_weeks_later(name, weeks):
    def moved(value):
        if isinstance(value, date):
            return value + weeks * 7 * DAY
        if isinstance(value, dict):
            return {key: moved(one) for key, one in value.items()}
        return [moved(one) for one in value] if isinstance(value, list | tuple) else value

    plan = plan_of(name)
    plain = msgspec.to_builtins(plan, builtin_types=(date,))
    later = simulate(msgspec.convert(moved(plain), type(plan)))
    assert [fault.first - weeks * 7 * DAY for fault in later.strandings] == [
        fault.first for fault in lived(name).strandings
    ]


@few
@given(
    holders=st.integers(0, 50_000),
    daily=st.integers(0, 200),
    lapsing=st.integers(0, 100),
    wave=st.booleans(),
)
def test_nobody_is_lost_or_counted_twice(holders, daily, lapsing, wave):
    plan = plan_of("windows-too-few")
    called = {"begins": date(2016, 1, 4), "ends": date(2017, 1, 4)} if wave else {}
    plan = replace(
        plan,
        holders=replace(plan.holders, lapsing_percent=lapsing),
        waves=(replace(plan.waves[0], holders=holders, daily=daily, **called),),
    )
    (cohort,) = cohorts(plan)
    there = [
        sum(counts) for counts in zip(*(cohort.held[one] for one in Generation), cohort.without, strict=True)
    ]
    assert there[0] == holders
    assert all(count >= 0 for series in (*cohort.held.values(), cohort.without) for count in series)
    assert all(later <= earlier for earlier, later in pairwise(there))
    if lapsing == 0:
        assert set(there) == {holders}
    served = sum(daily for day in range(len(there)) if (plan.period.begins + day * DAY).weekday() < 5)
    assert cohort.held[Generation.NEW][-1] <= served


@given(first=st.dates(date(2000, 1, 1), date(2040, 1, 1)), days=st.integers(0, 400))
def test_working_days_are_monday_to_friday(first, days):
    each = [first + index * DAY for index in range(days)]
    assert working_days(first, first + (days - 1) * DAY) == sum(day.weekday() < 5 for day in each)


# Whatever the file says, it is refused as no plan, or lived through.

LINES = TEXT.splitlines(keepends=True)
DATED = [index for index, line in enumerate(LINES) if re.search(r"= [0-9]{4}-", line)]


def lived_through(text):
    try:
        plan = replace(read_plan(text.encode(), "plan.toml"), waves=())
    except PlanRefused:
        return
    check(plan)
    fields(simulate(plan))


@given(index=st.integers(0, len(LINES) - 1))
def test_a_line_that_is_lost(index):
    lived_through("".join(line for number, line in enumerate(LINES) if number != index))


@given(index=st.sampled_from(DATED), day=st.dates())
def test_a_day_that_is_another(index, day):
    line = re.sub(r"= [0-9-]+", f"= {day}", LINES[index])
    lived_through("".join([*LINES[:index], line, *LINES[index + 1 :]]))


# Telling.


@pytest.mark.parametrize("name", [GOOD.stem, "cross-renewed-too-late", "windows-too-few"])
def test_the_picture_shows_who_is_stranded(name):
    picture = ET.fromstring(plot(lived(name)))  # noqa: S314 - our own picture
    told = " ".join(one.text for one in picture.iter() if one.text)
    for party in PARTIES:
        assert party in told
    red = [one for one in picture.iter() if one.get("class") == "bad"]
    assert bool(red) == (name != GOOD.stem)


def test_the_fields_are_json_and_tell_the_same():
    told = json.loads(msgspec.json.encode(fields(lived("responder-forgotten"))))
    assert told["strandings"][0]["why"] == "no-responder"
    assert told["stranded"].startswith("2015-12-23: validation-server, jpki.new: no-responder")
    assert {row["verdict"] for row in told["verdicts"]} <= {verdict.value for verdict in Verdict}
    assert told["population"][0]["sha1-rsa2048"] == 100_000


def test_the_commands(tmp_path):
    picture = tmp_path / "plan.svg"
    assert done(run("migrate", "plan", GOOD)).stdout == "none\n"
    assert "nobody" in done(run("migrate", "simulate", GOOD, "--svg", picture)).stdout
    assert picture.read_text("utf-8").startswith("<?xml")
    wrong = run("migrate", "plan", PLANS / "cross-not-renewed.toml", "--json")
    assert (wrong.status, wrong.json[0]["flaw"]) == (1, "cross-lapses")
    simulated = run("migrate", "simulate", PLANS / "cross-not-renewed.toml", "--json")
    assert (simulated.status, simulated.json["strandings"][0]["first_day"]) == (1, "2015-01-01")
    refused(run("migrate", "plan", tmp_path / "none.toml"), "cannot be read")
    refused(run("migrate", "simulate", GOOD, "--svg", tmp_path / "no/plan.svg"), "--svg")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "edition", "suite"),
    [
        (GOOD.stem, "japan-2008", "sha1-rsa2048"),
        ("rsa-to-p384", "japan-2014", "sha256-rsa2048"),
        ("p384-to-ml-dsa", "japan-2014", "sha384-p384"),
    ],
)
def test_a_good_plan_fits_the_whole_nation_of_its_first_day(name, edition, suite, tmp_path):
    text = JAPAN_2014.with_name(f"{edition}.toml").read_text("utf-8")
    text = replaced(
        replaced(text, 'suite = "[^"]*"', f'suite = "{suite}"'), 'name = "[^"]*"', 'name = "whole"'
    )
    (tmp_path / "edition.toml").write_text(text, "utf-8")
    begun = f"{plan_of(name).period.begins}T00:00Z"
    secret = {"KAKEHASHI_PASSPHRASE": PASSPHRASE, "KAKEHASHI_HOME": str(tmp_path / "home")}
    done(run("init", "--edition", tmp_path / "edition.toml", "--clock", begun, **secret))
    assert done(run("migrate", "plan", PLANS / f"{name}.toml", **secret)).stdout == "none\n"
