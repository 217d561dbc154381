"""Offices with systems of their own: the use cases as JSON, by client keys."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256

import pytest

from ca.model import OfficeId, Officer, OfficerId, RevocationReason, Role
from ca.revoking.deciding import custody
from ca.rules.self_check import QUESTIONS, fiscal_year
from ca.store import deeds, media, officers
from ca.store.clients import KeyPurpose
from ca.store.deeds import Deed
from ca.suites import RSA1024_KEYS, SHA1_RSA1024
from front.card.statements import MEDIA_TYPE
from front.credentials import new_key
from front.demo.people import invented_code
from front.registration.api_ends import STATEMENT
from tests.api_world import FEED, POST, api_world
from tests.feed_files import feed_file
from tests.local_world import pem_of
from tests.old_world import short_request

DOCUMENTS = [{"kind": "driving-licence", "ends": "2019-01-01"}]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """For tests of which none counts on being the first."""
    with api_world(tmp_path_factory.mktemp("api") / "world") as made:
        yield made


def refused(answer, status, *words):
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    for word in words:
        assert word in answer.json["detail"]
    return answer.json


class TestFiling:
    def test_the_same_again_is_answered_with_its_case(self, shared):
        filing = shared.resident()
        first = shared.post("/cases", filing, "window")
        again = shared.post("/cases", filing, "window")
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json == again.json
        case = first.json["case"]
        shared.done(f"/cases/{case}/examination", key="window-2")
        assert shared.done("/cases", filing, "window")["state"] == "examined"

    def test_at_once_they_are_one_case(self, shared):
        filing = shared.resident()
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: shared.post("/cases", filing, "window"), range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
        assert len({answer.json["case"] for answer in answers}) == 1

    @pytest.mark.parametrize("change", ["another person", "another name", "one kind", "another officer"])
    def test_something_else_with_the_same_keys_is_refused(self, shared, change):
        filing = shared.resident()
        shared.done("/cases", filing, "window")
        resident, csrs = dict(filing["resident"]), dict(filing["csrs"])
        if change == "another person":
            resident["code"] = str(invented_code(77_777))
        elif change == "another name":
            resident["name"] = "架橋\u3000次見本"
        elif change == "one kind":
            del csrs["signature"]
        with shared.local.stores.nation.writing() as connection:
            key = "window" if change != "another officer" else second_clerk(shared, connection)
        answer = shared.post("/cases", {"resident": resident, "csrs": csrs}, key)
        refused(answer, 400, "its key is in another certificate or application")

    def test_what_was_rejected_may_be_filed_anew(self, shared):
        filing = shared.resident()
        case = shared.done("/cases", filing, "window")["case"]
        shared.done(f"/cases/{case}/rejection", key="window-2")
        assert shared.post("/cases", filing, "window").status_code == 201

    def test_what_the_reception_wrote_down_is_held_against_the_rules(self, shared):
        reception = {"purpose": "new", "documents": DOCUMENTS, "card_number": "KA12345"}
        assert shared.post("/cases", shared.resident(reception=reception), "window").status_code == 201
        few = reception | {"documents": [{"kind": "pension"}]}
        refused(shared.post("/cases", shared.resident(reception=few), "window"), 400, "documents")
        over = reception | {"documents": [{"kind": "passport", "ends": "2015-01-01"}]}
        said = refused(shared.post("/cases", shared.resident(reception=over), "window"), 400, "has ended")
        assert "2015" not in said["detail"]
        nothing = reception | {"purpose": "renewal"}
        refused(
            shared.post("/cases", shared.resident(reception=nothing), "window"),
            400,
            "no certificate to renew",
        )

    def test_an_application_is_for_one_applicant(self, shared):
        filing = shared.resident()
        for body in ({"csrs": filing["csrs"]}, filing | {"local": POST}):
            refused(shared.post("/cases", body, "window"), 400, "is for one applicant")
        refused(shared.post("/cases", filing | {"medium": "A1234"}, "window"), 400, "medium")


def second_clerk(shared, connection):
    """Another officer of the window who receives applications."""
    name = OfficerId("window-4")
    officers.add_officer(connection, Officer(name, OfficeId("312011"), frozenset({Role.RECEPTION})))
    at = shared.local.at
    shared.keys[name] = new_key(connection, name=name, purpose=KeyPurpose.OFFICER, officer=name, at=at)
    return name


class TestSteps:
    def test_a_renewal_ends_what_it_renews_when_it_is_handed_over(self, tmp_path):
        with api_world(tmp_path / "world") as world:
            filing = world.resident("user-authentication")
            code = filing["resident"]["code"]
            first = world.issued(filing)
            handed = world.done(f"/cases/{first}/hand-over", key="window")
            assert (handed["state"], handed["ended"], handed["receipt"]) == ("delivered", [], None)
            refused(world.post(f"/cases/{first}/hand-over", key="window"), 409, "is delivered")
            (old,) = handed["certificates"]
            world.local.passes(days=365)
            second = world.issued(world.resident("user-authentication", code=code))
            handed = world.done(f"/cases/{second}/hand-over", key="window")
            assert handed["ended"] == [old["certificate"]]
            assert handed["receipt"]["signature"]
            assert world.local.ends(first) == {RevocationReason.SUPERSEDED}

    def test_a_discard_and_a_rejection_say_why(self, shared):
        case = shared.issued(shared.resident())
        gone = shared.done(f"/cases/{case}/discard", {"note": "never came"}, "window")
        assert (gone["state"], len(gone["ended"]), gone["steps"][-1]["note"]) == (
            "discarded",
            2,
            "never came",
        )
        filed = shared.done("/cases", shared.resident(), "window")["case"]
        away = shared.done(f"/cases/{filed}/rejection", {"note": "wrong town"}, "window-2")
        assert (away["state"], away["steps"][-1]["note"]) == ("rejected", "wrong town")
        refused(shared.post(f"/cases/{filed}/rejection", {"note": ""}, "window-2"), 400, "body, note")
        refused(shared.post(f"/cases/{filed}/rejection", b"{", "window-2"), 400, "is not JSON")

    @pytest.mark.parametrize("step", ["hand-over", "discard", "re-examination"])
    def test_another_offices_case_tells_nothing(self, shared, step):
        case = shared.issued(shared.resident())
        there = refused(shared.post(f"/cases/{case}/{step}", key="uke"), 403, "is another office's")
        none = f"{case.rpartition('-')[0]}-999999"
        assert refused(shared.post(f"/cases/{none}/{step}", key="uke"), 403) == there
        assert refused(shared.get(f"/cases/{none}", "uke"), 403) == there

    def test_a_list_does_not_tell_of_another_offices_case_either(self, shared):
        case = shared.issued(shared.resident())
        none = f"{case.rpartition('-')[0]}-999999"
        for after in (case, none):
            refused(shared.get(f"/work?after={after}", "uke"), 404, "not one of this home's")
            refused(shared.post("/cases/search", {"after": after}, "uke"), 404, "not one of this home's")


class TestLocalGovernments:
    def test_a_medium_goes_from_its_registration_to_its_destruction(self, shared):
        assert shared.done("/media", {"medium": "lg-0001"}, "uke")["state"] == "kept"
        filing = {"local": POST, "csrs": shared.csrs("lg-post"), "medium": "LG-0001"}
        made = shared.post("/cases", filing, "uke")
        assert made.status_code == 201
        assert shared.post("/cases", filing, "uke").status_code == 200
        case = made.json["case"]
        assert shared.done("/media/LG-0001/assignment", {"case": case}, "uke")["case"] == case
        ways = (
            ("examination", "shin"),
            ("re-examination", "again"),
            ("approval", "shonin"),
            ("issuance", "unyo"),
        )
        for step, officer in ways:
            answer = shared.done(f"/cases/{case}/{step}", key=officer)
        (certificate,) = answer["certificates"]
        assert shared.done(f"/cases/{case}/hand-over", key="uke")["state"] == "delivered"
        (seen,) = [one for one in shared.get("/media", "uke").json["media"] if one["medium"] == "LG-0001"]
        assert (seen["state"], seen["steps"]) == ("held", ["register", "assign", "hand-out"])
        path = f"/certificates/{certificate['certificate']}/abolition"
        assert shared.done(path, {"why": "post-abolished"}, "shin")["state"] == "asked"
        assert shared.done(f"{path}/refusal", key="unyo")["state"] == "declined"
        shared.done(path, {"why": "post-abolished"}, "shin")
        granted = shared.done(f"{path}/grant", key="unyo")
        assert granted["state"] == "granted"
        assert granted["receipt"]["statement"]
        assert shared.local.ends(case) == {RevocationReason.CESSATION_OF_OPERATION}
        shared.done("/media/LG-0001/return", key="uke")
        assert shared.done("/media/LG-0001/destruction", {"note": "cut"}, "shin")["state"] == "destroyed"

    def test_a_loss_ends_what_lies_in_the_medium(self, shared):
        shared.done("/media", {"medium": "LG-0002"}, "uke")
        case = shared.issued_post(medium="LG-0002")
        handed = shared.done(f"/cases/{case}/hand-over", key="uke")
        lost = shared.done("/media/LG-0002/loss", {"note": "left on a train"}, "shin")
        assert lost["ended"] == [handed["certificates"][0]["certificate"]]
        assert (lost["medium"]["state"], lost["rejected"]) == ("lost", None)
        assert lost["receipt"]["signature"]
        assert shared.local.ends(case) == {RevocationReason.KEY_COMPROMISE}

    def test_media_are_their_offices(self, shared):
        shared.done("/media", {"medium": "LG-0003"}, "uke")
        refused(shared.post("/media/LG-0003/loss", key="other"), 404, "none of this number")
        assert shared.get("/media", "other").json == {"media": [], "after": None}

    def test_media_are_told_in_pages(self, shared):
        for number in range(media.PAGE + 1):
            custody.register(shared.local.stores, f"PAGED-{number:03}", "other", at=shared.local.at)
        first = shared.get("/media", "other").json
        assert [one["medium"] for one in first["media"]] == [
            f"PAGED-{number:03}" for number in range(media.PAGE)
        ]
        assert first["after"] == first["media"][-1]["medium"]
        rest = shared.get(f"/media?after={first['after']}", "other").json
        assert ([one["medium"] for one in rest["media"]], rest["after"]) == (["PAGED-100"], None)
        refused(shared.get("/media?before=x", "other"), 400, "another parameter")


class TestSelfChecks:
    """The offices' years, each test another office or year."""

    def test_an_office_answers_and_the_centre_reviews(self, shared):
        year = fiscal_year(shared.local.at)
        path = f"/self-checks/local-2/{year}"
        refused(shared.get(path, "shin"), 404, "has submitted none")
        answers = {word: {"grade": "met"} for word in QUESTIONS}
        sent = {
            "answers": answers,
            "files": [{"name": "register.txt", "content": b64encode(b"seen").decode()}],
        }
        first = shared.done(path, sent, "shin")
        assert (first["officer"], first["reviewer"], first["answers"].keys()) == (
            "shin",
            None,
            QUESTIONS.keys(),
        )
        (file,) = first["files"]
        assert (file["name"], file["sha256"]) == ("register.txt", sha256(b"seen").hexdigest())
        lacking = answers | {"training": {"grade": "not-met", "remark": "in June"}}
        again = shared.done(path, {"answers": lacking, "kept": [file["number"]]}, "shin-2")
        assert again["answers"]["training"] == {"grade": "not-met", "remark": "in June"}
        assert again["files"] == first["files"]
        assert shared.get(path, "again").json == again
        refused(shared.post(f"{path}/review", {"verdict": "to-improve"}, "again"), 400, "does not say what")
        refused(
            shared.post(f"{path}/review", {"verdict": "accepted"}, "shonin"), 403, "no examiner of the centre"
        )
        reviewed = shared.done(f"{path}/review", {"verdict": "to-improve", "words": "Train them."}, "again")
        assert reviewed["finding"] == {"verdict": "to-improve", "words": "Train them."}
        assert reviewed["reviewer"] == "again"
        refused(shared.post(path, sent, "shin"), 409, "has been reviewed")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"answers": {}}, "is not complete"),
            ({"answers": {word: {"grade": "not-met"} for word in QUESTIONS}}, "is not complete"),
            ({"answers": {"strange": {"grade": "met"}}}, "is not complete"),
            ({"files": [{"name": "x.exe", "content": b64encode(b"MZ\0").decode()}]}, "is not PDF"),
            ({"files": [{"name": "x", "content": "!"}]}, "base64"),
        ],
    )
    def test_what_is_not_complete_is_refused(self, shared, change, words):
        path = f"/self-checks/local-1/{fiscal_year(shared.local.at)}"
        sent = {"answers": {word: {"grade": "met"} for word in QUESTIONS}} | change
        refused(shared.post(path, sent, "other-2"), 400, words)
        refused(shared.get(path, "other-2"), 404, "has submitted none")

    @pytest.mark.parametrize("year", ["2016", "0000", "99999999999999999999", "x"])
    def test_another_offices_are_not_there(self, shared, year):
        answers = {"answers": {word: {"grade": "met"} for word in QUESTIONS}}
        refused(shared.get(f"/self-checks/local-2/{year}", "other"), 404, "not one of this home's")
        refused(
            shared.post(f"/self-checks/local-2/{year}", answers, "other-2"), 404, "not one of this home's"
        )
        refused(shared.post(f"/self-checks/local-2/{year}", answers, "again"), 404, "not one of this home's")
        refused(
            shared.post(f"/self-checks/local-2/{year}/review", {"verdict": "accepted"}, "shin-2"),
            *(
                (403, "no examiner of the centre")
                if year in {"2016", "0000"}
                else (404, "not one of this home's")
            ),
        )


class TestFinding:
    def test_the_work_list_is_what_waits_for_the_caller(self, shared):
        case = shared.done("/cases", shared.resident(), "window")["case"]
        waiting = {one["case"]: one for one in shared.get("/work", "window-2").json["cases"]}
        assert waiting[case]["open"] == ["examine", "reject"]
        assert case not in {one["case"] for one in shared.get("/work", "shin").json["cases"]}
        refused(shared.get("/work?limit=5", "window"), 400, "another parameter")
        refused(shared.get("/work?after=x&after=y", "window"), 400, "twice")
        refused(shared.get("/work?after=312011-999999", "window"), 404)

    def test_a_search_finds_by_name_number_and_state_and_shows_no_name(self, shared):
        case = shared.done("/cases", shared.resident(), "window")["case"]
        number = case.rpartition("-")[2].lstrip("0")
        for wanted in ({"words": case}, {"words": number}, {"words": "架橋"}, {"states": ["filed"]}, None):
            answer = shared.post("/cases/search", wanted, "window")
            assert case in {one["case"] for one in answer.json["cases"]}, wanted
            assert "見本" not in answer.text
        later = {"since": (shared.local.at + timedelta(days=3650)).isoformat()}
        assert shared.done("/cases/search", later, "window") == {"cases": [], "after": None}
        assert case not in str(shared.done("/cases/search", {"words": case}, "uke"))
        assert case in str(shared.done("/cases/search", {"words": case}, "operator"))


class TestHolders:
    @pytest.mark.parametrize(
        ("deed", "reasons"),
        [
            ("give-up-signature", {RevocationReason.CESSATION_OF_OPERATION, None}),
            ("report-loss", {RevocationReason.KEY_COMPROMISE}),
            ("report-loss-by-telephone", {RevocationReason.CERTIFICATE_HOLD}),
        ],
    )
    def test_a_report_is_done_once_with_a_receipt(self, shared, deed, reasons):
        filing = shared.resident()
        case = shared.issued(filing)
        shared.done(f"/cases/{case}/hand-over", key="window")
        shared.local.passes(
            minutes=1
        )  # a certificate that was decided on at the moment of an event outlives it
        report = {"deed": deed, "code": filing["resident"]["code"]}
        look = shared.done("/holder-reports/look", report, "window")
        assert len(look["held"]) == 2
        assert shared.local.ends(case) == {None}
        number = report | {"number": f"{len(deed):020x}"}
        done = shared.done("/holder-reports", number, "window")
        assert done["outcome"]["orders"] == look["orders"]
        assert shared.local.ends(case) == reasons
        again = shared.done("/holder-reports", number, "window")
        assert again["outcome"]["outcome"] == "replayed"
        assert again["receipt"] == done["receipt"]
        refused(shared.post("/holder-reports", report | {"number": "5" * 20}, "uke"), 403, "may not take it")

    def test_what_was_lost_and_is_found_stays_ended(self, shared):
        filing = shared.resident()
        case = shared.issued(filing)
        shared.done(f"/cases/{case}/hand-over", key="window")
        shared.local.passes(minutes=1)
        report = {"code": filing["resident"]["code"]}
        shared.done(
            "/holder-reports", report | {"deed": "report-loss-by-telephone", "number": "a" * 20}, "operator"
        )
        shared.local.passes(minutes=1)
        found = report | {"deed": "report-found", "number": "b" * 20}
        shared.done("/holder-reports", found, "window")
        assert shared.local.ends(case) == {RevocationReason.CESSATION_OF_OPERATION}

    def test_a_stranger_is_not_told_of(self, shared):
        report = {"deed": "report-loss", "code": str(invented_code(99_999))}
        refused(shared.post("/holder-reports/look", report, "window"), 404, "no certificate that office")

    def test_whoever_is_looked_for_is_written_down_found_or_not(self, shared):
        filing = shared.resident()
        case = shared.issued(filing)
        report = {"deed": "report-loss", "code": filing["resident"]["code"]}
        before = len(looked_up(shared))
        shared.done("/holder-reports/look", report, "window")
        stranger = report | {"code": str(invented_code(99_998))}
        refused(shared.post("/holder-reports/look", stranger, "window"), 404)
        refused(shared.post("/holder-reports", stranger | {"number": "9" * 20}, "window"), 404)
        refused(shared.post("/holder-reports/look", report, "uke"), 403)
        found = looked_up(shared)[before:]
        assert [who for who, _ in found] == ["window"] * 3, "who may not look has not looked"
        assert found[0][1] in map(str, shared.local.certificates(case))
        assert [about for _, about in found[1:]] == ["nobody"] * 2

    def test_an_auditors_look_at_a_case_is_written_down(self, shared):
        case = shared.done("/cases", shared.resident(), "window")["case"]
        before = len(looked_up(shared))
        for officer in ("window", "operator", "kansa"):
            assert shared.get(f"/cases/{case}", officer).status_code == 200
        refused(shared.get(f"/cases/{case}", "uke"), 403, "another office's")
        refused(shared.get("/cases/312011-999999", "kansa"), 404)
        assert looked_up(shared)[before:] == [("kansa", case)]


def deeds_of(world, what):
    """Who did this about what, the oldest first."""
    with world.local.stores.nation.reading() as connection:
        noted = deeds.latest(connection, limit=1000)
    return [(one.officer, one.about) for one in reversed(noted) if one.what is what]


class TestTooOften:
    @pytest.fixture
    def alone(self, tmp_path):
        with api_world(tmp_path / "world") as made:
            yield made

    @pytest.mark.parametrize(("path", "more"), [("/look", {}), ("", {"number": "9" * 20})])
    def test_nobody_looks_up_a_list_of_codes(self, alone, path, more):
        def ask(number, key="window"):
            report = {"deed": "report-loss", "code": str(invented_code(number)), **more}
            return alone.post(f"/holder-reports{path}", report, key)

        for number in range(30):
            refused(ask(50_000 + number), 404, "no certificate that office")
            if (
                number % 10 == 5
            ):  # what else is done meanwhile does not count as patience, nor do searches as looks
                refused(alone.get("/cases/131016-000001", "window"), 403)
                alone.done("/cases/search", {"words": "a"}, "window")
            alone.local.passes(seconds=1)
        for _ in range(2):
            answer = ask(50_030)
            refused(answer, 429, "30 holders were looked up within a minute", "Wait 30 seconds")
            assert answer.headers["Retry-After"] == "30"
        found = deeds_of(alone, Deed.LOOK_REFUSED)
        assert found == [("window", "case, client key window")] * 3 + [
            ("window", "holder, client key window")
        ]
        with alone.local.stores.nation.writing() as connection:
            second_clerk(alone, connection)
        refused(ask(50_030, "window-4"), 404, "no certificate")
        alone.local.passes(seconds=29)
        refused(ask(50_030), 429)
        alone.local.passes(seconds=1)
        refused(ask(50_030), 404)

    def test_another_key_of_the_same_officer_is_no_new_patience(self, alone):
        with alone.local.stores.nation.writing() as connection:
            who, at = OfficerId("window"), alone.local.at
            alone.keys["second"] = new_key(
                connection, name="second", purpose=KeyPurpose.OFFICER, officer=who, at=at
            )
        report = {"deed": "report-loss", "code": str(invented_code(50_000))}
        for number in range(30):
            refused(alone.post("/holder-reports/look", report, ("window", "second")[number % 2]), 404)
        for key in ("window", "second"):
            assert alone.post("/holder-reports/look", report, key).headers["Retry-After"] == "60"

    def test_who_may_not_look_leaves_a_trace_without_the_code(self, shared):
        report = {"deed": "report-loss", "code": str(invented_code(50_001))}
        before = deeds_of(shared, Deed.LOOK_REFUSED)
        refused(shared.post("/holder-reports/look", report, "uke"), 403)
        found = deeds_of(shared, Deed.LOOK_REFUSED)[len(before) :]
        assert found == [("uke", "holder, client key uke")]

    def test_a_report_that_would_end_nothing_is_a_look_too(self, shared):
        filing = shared.resident()
        case = shared.issued(filing)
        report = {"deed": "report-found", "code": filing["resident"]["code"], "number": "8" * 20}
        before = len(looked_up(shared))
        refused(shared.post("/holder-reports", report, "window"), 409)
        ((who, about),) = looked_up(shared)[before:]
        assert (who, about in map(str, shared.local.certificates(case))) == ("window", True)

    @pytest.mark.parametrize(
        ("officer", "case", "status"),
        [("uke", "312011-000001", 403), ("window", "312011-999999", 404), ("kansa", "a name", 404)],
    )
    @pytest.mark.parametrize("step", ["", "/approval"])
    def test_a_refused_case_is_a_deed_without_its_number(self, shared, officer, case, status, step):
        before = deeds_of(shared, Deed.LOOK_REFUSED)
        answer = (
            shared.post(f"/cases/{case}{step}", key=officer)
            if step
            else shared.get(f"/cases/{case}", officer)
        )
        refused(answer, status)
        found = deeds_of(shared, Deed.LOOK_REFUSED)[len(before) :]
        assert found == [(officer, f"case, client key {officer}")]


def test_what_was_filed_while_its_keys_were_certified_is_found_when_they_are_no_more(tmp_path):
    with api_world(tmp_path / "world") as world:
        world.local.certifies(RSA1024_KEYS)
        world.local.at = SHA1_RSA1024.sign_until
        first, second = (
            world.resident() | {"csrs": {"signature": pem_of(short_request(number))}} for number in (1, 2)
        )
        made = world.post("/cases", first, "window")
        assert made.status_code == 201
        world.local.passes(seconds=1)
        again = world.post("/cases", first, "window")
        assert (again.status_code, again.json) == (200, made.json)
        refused(world.post("/cases", second, "window"), 400, "its RSA key has 1024 bits; 2048 are the least")


def looked_up(shared):
    """Who looked at what, the oldest first."""
    return deeds_of(shared, Deed.LOOKED_UP)


def test_a_feed_file_and_a_revocation_are_answered_as_described(shared):
    case = shared.issued(shared.resident("user-authentication"))
    (made,) = shared.get(f"/cases/{case}", "operator").json["certificates"]
    path = f"/certificates/{made['certificate']}/revocation"
    ended = shared.done(path, {"reason": "keyCompromise"}, "operator")
    assert (ended["certificate"], ended["reason"]) == (made["certificate"], "keyCompromise")
    refused(shared.post(path, {"reason": "keyCompromise"}, "operator"), 409, "already revoked")
    at = shared.local.at.isoformat()
    event = {
        "event": "e-1",
        "kind": "died",
        "code": str(invented_code(5)),
        "occurred": at,
        "notified": at,
        "effective": at,
    }
    (outcome,) = shared.done("/events", feed_file(event), FEED)["outcomes"]
    assert outcome["outcome"] == "unknown resident"


def test_the_cards_media_type_is_the_one_that_is_taken():
    assert STATEMENT == MEDIA_TYPE
