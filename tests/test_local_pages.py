"""The pages of local governments' sub-offices, as browsers ask for them."""

from __future__ import annotations

import html
import io
import re
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from urllib.parse import unquote

import pytest
from asn1crypto import pem, x509
from playwright.sync_api import expect
from werkzeug.serving import WSGIRequestHandler, make_server

import front
from ca.issuing.retention import end_retention
from ca.model import LocalHolder, RevocationReason
from ca.revoking.deciding import abolition, custody
from ca.rules.custody import MediumState
from ca.rules.registration import State
from ca.rules.self_check import QUESTIONS
from ca.store import applications, deeds
from ca.store.abolitions import Why
from ca.suites import ML_DSA_65, RSA1024_KEYS, SHA1_RSA1024, SHA384_P384
from front.local import cases, media, self_checks
from front.pages.texts import Language, Texts
from tests.browser import chromium
from tests.local_world import ENCRYPTION, POST, TOKEN, USER, LocalWorld, local_world, pem_of
from tests.old_world import short_request
from tests.suite_world import request as new_request

CESSATION = RevocationReason.CESSATION_OF_OPERATION


@pytest.fixture
def local(tmp_path) -> Iterator[LocalWorld]:
    with local_world(tmp_path) as made:
        yield made


class Silent(WSGIRequestHandler):
    """A server's connection of which nothing is printed."""

    def log(self, *_: object) -> None:
        pass


def form_of(local, **more):
    csr = pem_of(local.engine.csrs(POST)[POST])
    return {"unit": "総務課", "name": "市長", "kind": POST, "csr": csr, "medium": local.medium()} | more


def answers(**more):
    return {f"grade-{word}": "met" for word in QUESTIONS} | more


def done(response, place=None):
    """Where a form that was taken leads."""
    assert response.status_code == 303, response.text
    if place is not None:
        assert response.location == place
    return response.location


# A case from the office to the centre and back


@pytest.mark.parametrize("language", Language)
def test_a_post_certificate_from_the_office_to_the_centre_and_back(local, language) -> None:
    office, centre = local.browser("uke", language), local.browser("unyo", language)
    medium = local.medium()
    path = done(office.post("/local/cases/new", form_of(local, medium=medium.lower())))
    case = path.rpartition("/")[2]
    for officer, step in (
        ("shin", "examine"),
        ("again", "re-examine"),
        ("shonin", "approve"),
        ("unyo", "issue"),
    ):
        browser = local.browser(officer, language)
        # The list, the case, the button: three interactions.
        assert f'href="{path}"' in browser.get("/local").text
        assert f'action="{path}/{step}"' in browser.get(path).text
        assert f">{case}<" in browser.get(done(browser.post(f"{path}/{step}"))).text
    got = office.get(f"{path}/lg-post.pem")
    assert got.headers["Content-Disposition"] == f"attachment; filename={case}-lg-post.pem"
    subject = x509.Certificate.load(pem.unarmor(got.data)[2]).subject.native
    assert (subject["common_name"], subject["organizational_unit_name"]) == (
        "市長",
        ["City of Kakehashi", "総務課"],
    )
    assert f'action="{path}/hand-over"' in office.get(path).text
    done(office.post(f"{path}/hand-over"), path)
    assert (local.state(case), local.seen(medium).state) == (State.DELIVERED, MediumState.HELD)
    page = centre.get(path).text
    for name in ("受付 花子", "審査 一郎", "再審査 四郎", "承認 五郎", "運用 六郎"):
        assert name in page, "who did what"


def test_a_name_keeps_the_registers_own_characters(local) -> None:
    """NFC would make U+FA19 another person's U+795E."""
    typed = form_of(local, name="\ufa19谷", unit="\U000313a0課")
    case = done(local.browser("uke").post("/local/cases/new", typed)).rpartition("/")[2]
    with local.stores.nation.reading() as connection:
        found = applications.find(connection, case).applicant
    assert found == LocalHolder("City of Kakehashi", "\U000313a0課", "\ufa19谷")


def test_a_renewal_begins_at_the_case_that_it_renews(local) -> None:
    first, _ = local.delivered()
    office = local.browser("uke")
    assert f'href="/local/cases/new?renews={first}"' in office.get(f"/local/cases/{first}").text
    assert "The Mayor" in office.get(f"/local/cases/new?renews={first}").text
    # What is typed of the holder does not count: it is the same one's.
    second = done(office.post("/local/cases/new", form_of(local, renews=first, name="Somebody"))).rpartition(
        "/"
    )[2]
    with local.stores.nation.reading() as connection:
        renewal = applications.find(connection, second)
    assert renewal.applicant == LocalHolder("City of Kakehashi", "General Affairs Division", "The Mayor")
    assert renewal.reception.renews == local.certificates(first)
    for officer, step in (
        ("shin", "examine"),
        ("again", "re-examine"),
        ("shonin", "approve"),
        ("unyo", "issue"),
    ):
        done(local.browser(officer).post(f"/local/cases/{second}/{step}"))
    done(office.post(f"/local/cases/{second}/hand-over"))
    assert (local.ends(first), local.ends(second)) == ({RevocationReason.SUPERSEDED}, {None})
    assert office.get(f"/local/cases/new?renews={first}").status_code == 404, "nothing is left to renew"


def test_what_an_open_case_renews_is_refused_on_the_form(local) -> None:
    first, _ = local.delivered()
    second, office = local.filed(renews=local.certificates(first)), local.browser("uke")
    shown = office.get(f"/local/cases/new?renews={first}").text
    assert f'<a href="/local/cases/{second}">Case {second} renews it already' in shown
    form = form_of(local, renews=first)
    checked = office.post("/local/cases/check", form).json["problems"]
    assert checked == {
        "kind": f"Case {second} renews it already. Go on with that case, or reject or discard it first"
    }
    sent = office.post("/local/cases/new", form)
    assert (sent.status_code, checked["kind"] in sent.text) == (422, True)
    local.world.registration.reject(second, "shin", at=local.at)
    done(office.post("/local/cases/new", form))


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("name", "", "Is needed"),
        ("name", "あ" * 65, "more than 64"),
        ("name", "市\u0007長", "control characters"),
        ("unit", "あ" * 65, "more than 64"),
        ("kind", "", "Is needed"),
        ("kind", "signature", "Choose one"),
        ("kind", "self-signed", "Choose one"),
        ("medium", "", "Is needed"),
        ("medium", "CARD-0001", "has no such medium"),
        ("medium", "カード", "4 to 20"),
        ("csr", "", "Is needed"),
        ("csr", "hello", "refused"),
    ],
)  # fmt: skip
def test_a_form_with_a_problem_is_shown_again(local, field, typed, words) -> None:
    form = form_of(local, **{field: typed})
    response = local.browser("uke").post("/local/cases/new", form)
    assert response.status_code == 422
    problem = re.search(rf'id="{field}-problem"[^>]*>([^<]*)<', response.text)
    assert words in problem[1]
    assert ("市長" in response.text) == (form["name"] == "市長"), "what was typed stands there again"
    checked = local.browser("uke").post("/local/cases/check", form)
    assert words in checked.json["problems"][field]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (Language.JAPANESE, "RSA 鍵が短すぎます(1024 ビット)。2048 ビット以上の新しい鍵を作ってください。"),
        (Language.ENGLISH, "its RSA key has 1024 bits; 2048 are the least"),
    ],
)
def test_a_key_of_the_past_is_refused_on_the_form_when_its_time_is_over(local, language, words) -> None:
    local.certifies(RSA1024_KEYS)
    form, browser = form_of(local, csr=pem_of(short_request(1))), local.browser("uke", language)
    local.at = SHA1_RSA1024.sign_until
    assert browser.post("/local/cases/check", form).json["problems"] == {}
    local.passes(seconds=1)
    assert words in browser.post("/local/cases/check", form).json["problems"]["csr"]
    sent = browser.post("/local/cases/new", form)
    assert (sent.status_code, words in html.unescape(sent.text)) == (422, True)
    local.at = SHA1_RSA1024.sign_until
    done(browser.post("/local/cases/new", form))


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        (
            ML_DSA_65,
            "ML-DSA-65 の鍵は署名専用で、この証明書に宛てて暗号化できません。RSA 鍵",
        ),
        (
            SHA384_P384,
            "楕円曲線(P-384)の鍵では、この証明書に宛てて暗号化できません。RSA 鍵",
        ),
    ],
    ids=str,
)
def test_a_key_to_which_nobody_encrypts_is_not_certified_for_encryption(local, suite, words) -> None:
    form = form_of(local, kind=ENCRYPTION, csr=pem_of(new_request(suite)))
    sent = local.browser("uke", Language.JAPANESE).post("/local/cases/new", form)
    assert (sent.status_code, words in html.unescape(sent.text)) == (422, True)


@pytest.mark.parametrize("path", ["", "/lg-post.pem", "/approve"])
def test_a_case_that_is_refused_is_a_deed_without_its_number(local, path) -> None:
    case = local.filed()
    browser = local.browser("other")
    ask = browser.post if path == "/approve" else browser.get
    assert ask(f"/local/cases/{case}{path}").status_code == 404
    assert browser.get(f"/local/cases/new?renews={case}").status_code == 404
    with local.stores.nation.reading() as connection:
        found = deeds.latest(connection, limit=10)
    told = [(deed.officer, deed.office, deed.what, deed.about) for deed in found]
    assert told == [("other", "local-1", deeds.Deed.LOOK_REFUSED, "case")] * 2


def test_a_request_comes_as_a_file_too_and_its_key_once(local) -> None:
    csr, browser = local.engine.csrs(POST)[POST], local.browser("uke")
    done(browser.post("/local/cases/new", form_of(local, csr=(io.BytesIO(csr), "post.csr"))))
    form = form_of(local, name="Somebody else", csr=(io.BytesIO(csr), "post.csr"))
    again = browser.post("/local/cases/new", form)
    assert again.status_code == 422
    assert "go on with case local-2-000001" in again.text


@pytest.mark.parametrize("renewal", [False, True])
def test_an_application_sent_twice_leads_to_its_case(local, renewal) -> None:
    more = {"renews": local.delivered()[0]} if renewal else {}
    form, browser = form_of(local, **more), local.browser("uke")
    first = done(browser.post("/local/cases/new", form))
    assert done(browser.post("/local/cases/new", form)) == first
    assert local.seen(form["medium"]).case == first.rpartition("/")[2]
    assert browser.get("/local").text.count(f'href="{first}"') == 1, "there is one case"
    colleague = local.browser("uke-2").post("/local/cases/new", form)
    assert (colleague.status_code, "not in the office" in colleague.text) == (422, True)


def test_what_was_filed_without_its_medium_gets_it_when_it_is_sent_again(local) -> None:
    """The first sending was broken off between the case and its medium."""
    form, number = form_of(local), local.medium()
    csr = pem.unarmor(form["csr"].encode())[2]
    holder = LocalHolder("City of Kakehashi", form["unit"], form["name"])
    case = local.world.registration.file("uke", holder, {POST: csr}, code=None, at=local.at).case.id
    sent = local.browser("uke").post("/local/cases/new", form | {"medium": number})
    done(sent, f"/local/cases/{case}")
    assert local.seen(number).case == case


def test_a_medium_with_another_holders_good_key_is_refused_on_its_field(local) -> None:
    _, number = local.delivered()
    custody.take_back(local.stores, number, "uke", at=local.at)
    form = form_of(local, medium=number)
    response = local.browser("uke").post("/local/cases/new", form)
    problem = re.search(r'id="medium-problem"[^>]*>([^<]*)<', response.text)
    assert (response.status_code, "another holder" in problem[1]) == (422, True)
    checked = local.browser("uke").post("/local/cases/check", form | {"csr": ""})
    assert "another holder" in checked.json["problems"]["medium"], "before a request is chosen, too"
    assert number in response.text


def test_a_medium_that_is_out_is_not_given_again(local) -> None:
    _, number = local.delivered()
    response = local.browser("uke").post("/local/cases/new", form_of(local, medium=number))
    assert (response.status_code, "not in the office" in response.text) == (422, True)


def test_a_case_without_a_medium_gets_one_on_its_page(local) -> None:
    case, number, browser = local.issued(), local.medium(), local.browser("uke")
    page = browser.get(f"/local/cases/{case}").text
    assert ("The hand-over needs one" in page, f"{case}/hand-over" in page) == (True, False)
    refused = browser.post(f"/local/cases/{case}/hand-over")
    assert (refused.status_code, "Assign one" in refused.text) == (409, True)
    done(browser.post(f"/local/cases/{case}/medium", {"medium": number}))
    done(browser.post(f"/local/cases/{case}/hand-over"))
    assert local.seen(number).case == case


@pytest.mark.parametrize("step", ["reject", "discard"])
def test_a_reason_is_needed_and_stays_in_the_history(local, step) -> None:
    case = local.filed() if step == "reject" else local.issued()
    browser = local.browser("shin" if step == "reject" else "uke")
    assert browser.post(f"/local/cases/{case}/{step}", {"note": " "}).status_code == 422
    done(browser.post(f"/local/cases/{case}/{step}", {"note": "<b>職責がない</b>"}))
    assert "&lt;b&gt;職責がない&lt;/b&gt;" in browser.get(f"/local/cases/{case}").text


# Whose is what


PAGES = (
    "/local", "/local/cases/new", "/local/cases/{case}", "/local/cases/{case}/lg-post.pem", "/local/media",
    "/local/media/{medium}", "/local/self-checks", "/local/self-checks/2015/edit", "/local/self-checks/local-2/2015",
    "/local/self-checks/local-2/2015/files/1", "/local/certificates/{certificate}",
)  # fmt: skip


@pytest.fixture
def places(local):
    case, medium = local.delivered()
    upload = (io.BytesIO(b"%PDF-1.7 x"), "a.pdf")
    done(local.browser("shin").post("/local/self-checks/2015/edit", answers(files=upload)))
    return {"case": case, "medium": medium, "certificate": local.certificates(case)[0]}


def test_nobody_sees_a_page_without_signing_in(local, places) -> None:
    for page in PAGES:
        path = page.format(**places)
        response = local.app.test_client().get(path)
        assert (response.status_code, unquote(response.location)) == (303, f"/sign-in?next={path}")


@pytest.mark.parametrize(("officer", "status"), [("madoguchi", 403), ("other", 404), ("other-2", 404)])
def test_another_offices_things_are_not_there(local, places, officer, status) -> None:
    """The answer is the one that something gets which does not exist. Windows have no business here at all."""
    last = f"{places['certificate']}"[-1]
    strange = places | {
        "case": "local-2-999999",
        "medium": "CARD-0000",
        "certificate": f"{places['certificate']}"[:-1] + ("0" if last != "0" else "1"),
    }
    browser = local.browser(officer)
    for page in PAGES:
        if status == 403 or "{" in page or "local-2" in page:
            assert browser.get(page.format(**places)).status_code == status, page
            assert browser.get(page.format(**strange)).status_code == status, page


def test_another_offices_certificate_answers_as_one_that_is_not_there(local, places) -> None:
    there, last = f"{places['certificate']}", f"{places['certificate']}"[-1]
    none = there[:-1] + ("0" if last != "0" else "1")
    told = [
        local.browser("other-2").get(f"/local/certificates/{wanted}").text.replace(wanted, "")
        for wanted in (there, none)
    ]
    assert told[0] == told[1]
    assert places["case"] not in told[0]
    assert local.browser("shin").get(f"/local/certificates/{there}").status_code == 303


def test_what_a_page_shows_is_kept_by_nobody(local, places) -> None:
    for page in PAGES:
        officer = "uke" if page.endswith("new") else "shin"
        response = local.browser(officer).get(page.format(**places))
        assert response.status_code in {200, 303}
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "script-src" in response.headers["Content-Security-Policy"] or page.endswith("files/1")


FORMS = (
    ("/local/cases/{case}/discard", {"note": "x"}),
    ("/local/cases/{case}/hand-over", {}),
    ("/local/cases/{case}/medium", {"medium": "CARD-1000"}),
    ("/local/media/{medium}/lose", {"note": "x"}),
    ("/local/media/{medium}/take-back", {}),
    ("/local/media/{medium}/destroy", {"note": "x"}),
    ("/local/certificates/{certificate}/abolition", {"why": "not-used"}),
    ("/local/certificates/{certificate}/end", {}),
    ("/local/certificates/{certificate}/keep", {}),
    ("/local/self-checks/local-2/2015", {"verdict": "accepted"}),
)


@pytest.mark.parametrize("officer", ["other", "other-2", "kansa", "madoguchi"])
def test_strangers_change_nothing(local, places, officer) -> None:
    before = local.engine.dump()
    for path, form in FORMS:
        assert local.browser(officer).post(path.format(**places), form).status_code in {403, 404, 409}, path
    after = local.engine.dump()
    assert {row[4] for row in after.pop("0 deeds")} <= {deeds.Deed.LOOK_REFUSED}
    assert after | {"0 deeds": []} == before


def test_a_form_of_another_site_changes_nothing(local, places) -> None:
    before, client = local.engine.dump(), local.app.test_client()
    officer = {"X-Test-Officer": "uke"}
    for (path, form), (headers, token) in product(
        FORMS,
        (
            ({"Sec-Fetch-Site": "same-origin"}, "another session's"),
            ({"Sec-Fetch-Site": "cross-site"}, TOKEN),
            ({"Origin": "https://evil.example"}, TOKEN),
            ({}, TOKEN),
        ),
    ):
        sent = client.post(
            path.format(**places), data=form | {"form_token": token}, headers=officer | headers
        )
        assert sent.status_code == 403, path
    assert local.engine.dump() == before


def test_places_that_are_none(local) -> None:
    shin, case = local.browser("shin"), local.filed()
    for place in (f"{case}/nothing", f"{case}/file", "%00", "131016-000001/examine"):
        assert shin.post(f"/local/cases/{place}").status_code in {404, 405}, place
    assert shin.get("/local/certificates/x.g1:01").status_code == 404
    assert shin.get("/local/certificates/x").status_code == 400


# Twice, and two at once


def test_a_second_press_changes_nothing(local) -> None:
    case, number = local.filed(), local.medium()
    browser = local.browser("shin")
    for _ in range(2):
        done(browser.post(f"/local/cases/{case}/examine"))
        done(local.browser("uke").post(f"/local/cases/{case}/medium", {"medium": number}))
        done(local.browser("uke").post("/local/media", {"medium": "CARD-7777"}))
    with local.stores.nation.reading() as connection:
        assert [taken.step for taken in applications.find(connection, case).case.history] == [
            "file",
            "examine",
        ]
    late = local.browser("shin-2").post(f"/local/cases/{case}/examine")
    assert (late.status_code, "Things have changed meanwhile" in late.text) == (409, True)


def test_of_two_officers_at_once_one_takes_the_step(local) -> None:
    case = local.filed()

    def examine(officer):
        return local.browser(officer).post(f"/local/cases/{case}/examine").status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(examine, ("shin", "shin-2"))) == [303, 409]


def test_a_replayed_approval_is_refused(local) -> None:
    case = local.issued()
    assert local.browser("shonin").post(f"/local/cases/{case}/approve").status_code == 409
    assert local.browser("again").post(f"/local/cases/{case}/approve").status_code in {403, 409}


# Media


def test_a_loss_ends_the_certificates_at_once(local) -> None:
    case, number = local.delivered()
    browser = local.browser("uke")
    page = browser.get(f"/local/media/{number}").text
    assert "Good certificates that end at once: 1." in page
    for form in ({}, {"note": "x", "since": "2999-01-01"}, {"note": "x", "since": "soon"}):
        assert browser.post(f"/local/media/{number}/lose", form).status_code == 422
    assert local.ends(case) == {None}
    for _ in range(2):
        done(browser.post(f"/local/media/{number}/lose", {"note": "電車内", "since": "2016-01-29"}))
    assert local.ends(case) == {RevocationReason.KEY_COMPROMISE}
    assert "電車内" in browser.get(f"/local/media/{number}").text
    assert "Revoked" in browser.get(f"/local/cases/{case}").text


def test_the_register_of_media(local) -> None:
    browser = local.browser("uke")
    done(browser.post("/local/media", {"medium": "abc-123"}), "/local/media")
    assert "ABC-123" in browser.get("/local/media").text
    assert browser.post("/local/media", {"medium": "?"}).status_code == 422
    assert local.browser("shin").post("/local/media", {"medium": "ABC-123"}).status_code == 422
    assert "ABC-123" not in local.browser("other").get("/local/media").text
    assert "ABC-123" in local.browser("kansa").get("/local/media?office=local-2").text
    assert local.browser("kansa").post("/local/media", {"medium": "ABC-124"}).status_code == 403
    assert local.browser("uke").post("/local/media/ABC-123/destroy", {"note": "x"}).status_code == 403
    for _ in range(2):
        done(local.browser("shin").post("/local/media/ABC-123/destroy", {"note": "裁断"}))
    assert local.seen("ABC-123").state is MediumState.DESTROYED


def test_a_returned_medium(local) -> None:
    case, number = local.delivered()
    done(local.browser("uke").post(f"/local/media/{number}/take-back"))
    page = local.browser("shin").get(f"/local/media/{number}").text
    assert f"/local/media/{number}/destroy" not in page, "a certificate is good still"
    assert local.browser("shin").post(f"/local/media/{number}/destroy", {"note": "x"}).status_code == 409
    abolition.ask(local.stores, *local.certificates(case), "shin", Why.HOLDER_LEFT, at=local.at)
    abolition.grant(local.stores, *local.certificates(case), "unyo", at=local.at)
    done(local.browser("shin").post(f"/local/media/{number}/destroy", {"note": "裁断"}))


# Abolition


def test_an_office_asks_and_the_centre_ends(local) -> None:
    case, _ = local.delivered(USER)
    (certificate,) = local.certificates(case)
    office, centre = local.browser("shin"), local.browser("unyo")
    path = f"/local/certificates/{certificate}"
    assert f'action="{path}/abolition"' in office.get(f"/local/cases/{case}").text
    assert f"{path}/end" not in centre.get(f"/local/cases/{case}").text
    assert centre.post(f"{path}/end").status_code == 404, "nobody has asked"
    assert office.post(f"{path}/abolition", {"why": "just so"}).status_code == 400
    for _ in range(2):
        done(office.post(f"{path}/abolition", {"why": "post-abolished"}), f"/local/cases/{case}")
    assert local.ends(case) == {None}, "not on one person's word"
    assert str(certificate) in centre.get("/local").text
    assert f'action="{path}/end"' in centre.get(f"/local/cases/{case}").text
    for officer in ("shin", "uke", "again", "shonin", "kansa"):
        assert local.browser(officer).post(f"{path}/end").status_code == 403
    for _ in range(2):
        done(centre.post(f"{path}/end"))
    assert local.ends(case) == {CESSATION}
    assert str(certificate) not in centre.get("/local").text
    page = office.get(f"/local/cases/{case}").text
    assert page.index("End asked for") < page.index("End granted")


def test_what_the_centre_declines_may_be_asked_again(local) -> None:
    case, _ = local.delivered()
    (certificate,) = local.certificates(case)
    for _ in range(2):
        done(local.browser("shin").post(f"/local/certificates/{certificate}/abolition", {"why": "not-used"}))
        done(local.browser("unyo").post(f"/local/certificates/{certificate}/keep"))
    assert local.ends(case) == {None}
    assert abolition.waiting(local.stores, local.at, limit=9) == []


def test_requests_that_wait_are_read_as_far_as_they_are_shown(local) -> None:
    delivered = [local.delivered(USER) for _ in range(5)]
    certificates = [local.certificates(case)[0] for case, _ in delivered]
    for certificate in certificates:
        abolition.ask(local.stores, certificate, "shin", Why.NOT_USED, at=local.at)
    abolition.grant(local.stores, certificates[0], "unyo", at=local.at)
    abolition.decline(local.stores, certificates[1], "unyo", at=local.at)
    abolition.ask(local.stores, certificates[1], "shin", Why.NOT_USED, at=local.at)

    def waiting(limit):
        return [step.certificate for step in abolition.waiting(local.stores, local.at, limit=limit)]

    assert waiting(2) == certificates[2:4]
    assert waiting(9) == [*certificates[2:], certificates[1]]
    custody.report_lost(local.stores, delivered[2][1], "uke", at=local.at)
    assert waiting(1) == [certificates[3]], "what has ended otherwise takes no place"


def test_what_cannot_be_asked(local) -> None:
    issued, (case, number) = local.issued(), local.delivered()
    early = local.browser("shin").post(
        f"/local/certificates/{local.certificates(issued)[0]}/abolition", {"why": "not-used"}
    )
    assert (early.status_code, "Discard case" in early.text) == (409, True)
    (certificate,) = local.certificates(case)
    abolition.ask(local.stores, certificate, "shin", Why.NOT_USED, at=local.at)
    custody.report_lost(local.stores, number, "uke", at=local.at)
    assert abolition.waiting(local.stores, local.at, limit=9) == [], "it has ended in another way"
    assert local.browser("unyo").post(f"/local/certificates/{certificate}/end").status_code == 409
    assert local.ends(case) == {RevocationReason.KEY_COMPROMISE}


# Self-checks


def test_a_self_check_with_its_files(local) -> None:
    office, centre = local.browser("shin"), local.browser("again")
    files = [(io.BytesIO(b"%PDF-1.7 \xff"), "台帳.pdf"), (io.BytesIO("記録\n".encode()), "notes.html")]
    place = done(
        office.post("/local/self-checks/2015/edit", answers(files=files)), "/local/self-checks/local-2/2015"
    )
    assert "台帳.pdf" in office.get(place).text
    for number, kind in ((1, "application/pdf"), (2, "text/plain; charset=utf-8")):
        got = centre.get(f"{place}/files/{number}")
        assert got.headers["Content-Type"] == kind
        assert got.headers["Content-Disposition"].startswith("attachment")
        assert (got.headers["X-Content-Type-Options"], got.headers["Cache-Control"]) == (
            "nosniff",
            "no-store",
        )
        assert "sandbox" in got.headers["Content-Security-Policy"]
    assert "Self-checks that wait for review: 1." in centre.get("/local").text
    # One file goes, and one remark comes.
    done(
        office.post(
            "/local/self-checks/2015/edit",
            answers(**{"keep-1": "on", "remark-media": "毎月\r\n確認 \U000313a0"}),
        )
    )
    page = centre.get(place).text
    assert ("notes.txt" in page, "毎月" in page) == (False, True)
    assert centre.post(place, {"verdict": "to-improve", "words": " "}).status_code == 422
    done(centre.post(place, {"verdict": "to-improve", "words": "年度内に研修を行うこと"}))
    assert "年度内に研修を行うこと" in office.get(place).text
    assert office.post("/local/self-checks/2015/edit", answers()).status_code == 409
    assert "To improve" in local.browser("kansa").get("/local/self-checks?year=2015").text


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"grade-media": ""}, "grade-media"),
        ({"grade-media": "perhaps"}, "grade-media"),
        ({"grade-media": "not-applicable", "remark-media": "x"}, "grade-media"),
        ({"grade-media": "not-met"}, "remark-media"),
        ({"remark-media": "x" * 1001}, "remark-media"),
        ({"remark-media": "a\x1bb"}, "remark-media"),
        ({"remark-media": "a\ufffdb"}, "remark-media"),
        ({"files": (b"MZ\x90\0", "a.pdf")}, "files"),
        ({"files": (b"%PDF-" + bytes(512 * 1024), "a.pdf")}, "files"),
        ({"files": [(b"%PDF-", f"{number}.pdf") for number in range(11)]}, "files"),
    ],
)
def test_a_self_check_with_a_problem(local, form, field) -> None:
    sent = form.get("files")
    if sent is not None:
        several = sent if isinstance(sent, list) else [sent]
        form = {"files": [(io.BytesIO(content), name) for content, name in several]}
    response = local.browser("shin").post("/local/self-checks/2015/edit", answers(**form))
    assert response.status_code == 422
    assert re.search(rf'id="{field}-problem"[^>]*>[^<]+<', response.text)
    if sent is None:
        checked = local.browser("shin").post("/local/self-checks/2015/check", answers(**form))
        assert set(checked.json["problems"]) == {field}


def test_ten_large_files_are_taken_and_more_octets_are_not(local) -> None:
    large = [(io.BytesIO(b"%PDF-".ljust(512 * 1024, b" ")), f"{number}.pdf") for number in range(10)]
    done(local.browser("shin").post("/local/self-checks/2015/edit", answers(files=large)))
    flood = [(io.BytesIO(bytes(2 * 1024 * 1024)), f"{number}.pdf") for number in range(4)]
    assert local.browser("shin").post("/local/self-checks/2015/edit", answers(files=flood)).status_code == 413
    other = local.browser("uke").post(
        "/local/cases/new", form_of(local, csr=(io.BytesIO(bytes(5 << 20)), "x.csr"))
    )
    assert other.status_code == 413, "elsewhere nothing of that size is read"


@pytest.mark.parametrize(
    ("language", "wrong", "right"), [("en", "request", "Go back"), ("ja", "証明書要求", "前の画面")]
)
def test_what_is_too_large_is_told_in_words_that_fit_every_form(local, language, wrong, right) -> None:
    flood = [(io.BytesIO(bytes(2 * 1024 * 1024)), f"{number}.pdf") for number in range(4)]
    page = local.browser("shin", language).post("/local/self-checks/2015/edit", answers(files=flood)).text
    assert (wrong in page, right in page) == (False, True)


def test_forms_know_how_large_a_file_may_be_before_it_is_sent(local) -> None:
    for officer, path in (("shin", "/local/self-checks/2015/edit"), ("uke", "/local/cases/new")):
        page = local.browser(officer).get(path).text
        assert re.search(r'type="file"[^>]* data-largest="524288" data-too-large="[^"]*512 KB"', page), path


def test_a_file_that_is_too_large_is_said_before_anything_is_lost(local, tmp_path) -> None:
    large, small = tmp_path / "large.pdf", tmp_path / "small.pdf"
    large.write_bytes(bytes(7 * 1024 * 1024))
    small.write_bytes(b"%PDF-1.7 x")
    server = make_server("127.0.0.1", 0, local.app, request_handler=Silent)
    address = f"http://127.0.0.1:{server.port}/local/self-checks"
    with chromium() as browser, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever)
        try:
            page = browser.new_context(extra_http_headers={"X-Test-Officer": "shin"}).new_page()
            page.goto(f"{address}/2015/edit")
            for met in page.locator("input[value=met]").all():
                met.check(force=True)
            page.set_input_files("#files", str(large))
            expect(page.locator("#files-problem")).to_contain_text("512 KB")
            page.click("button.push")
            expect(page.locator("input[value=met]:checked")).to_have_count(len(QUESTIONS))
            page.set_input_files("#files", str(small))
            expect(page.locator("#files-problem")).to_be_empty()
            page.click("button.push")
            expect(page).to_have_url(f"{address}/local-2/2015")
        finally:
            server.shutdown()
            server.server_close()


@pytest.mark.parametrize(
    ("referrer", "leads"),
    [
        ("http://localhost/local/cases/new?renews=local-2-000001", "/local/cases/new?renews=local-2-000001"),
        ("http://localhost/local/cases/local-2-000001/discard", "/"),
        ("http://localhost//evil.example/local", "/"),
        ("http://evil.example/local/cases/new", "/"),
        ("http://localhost/nothing/here", "/"),
        ("http://[", "/"),
        (None, "/"),
    ],
)  # fmt: skip
def test_who_was_signed_out_meanwhile_comes_back_to_the_form(local, referrer, leads) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"} | ({"Referer": referrer} if referrer else {})
    sent = local.app.test_client().post("/local/cases/new", data={"name": "x"}, headers=headers)
    assert (sent.status_code, unquote(sent.location)) == (303, f"/sign-in?next={leads}")


# A page after the other


def test_long_lists_are_shown_page_by_page(local, monkeypatch) -> None:
    monkeypatch.setattr(cases, "_MOST", 2)
    monkeypatch.setattr(media, "_MOST", 2)
    monkeypatch.setattr(self_checks, "_MOST", 1)
    for _ in range(3):
        case = local.filed()
        local.world.registration.examine(case, "shin", at=local.passes(minutes=1))
    for _ in range(3):
        local.medium()
    first_of_a_row = r'<th scope="row"><a href="([^"]*)"'
    for officer, path, line, count in (
        ("again", "/local", first_of_a_row, 3),
        ("uke", "/local/media", first_of_a_row, 3),
        ("kansa", "/local/media?office=local-2", first_of_a_row, 3),
        ("kansa", "/local/self-checks", r"</th><td>([^<]*)</td>", 2),
    ):
        seen, following = [], path
        while following:
            page = local.browser(officer).get(following).text
            rows = re.findall(line, page)
            assert len(rows) <= 2
            seen += rows
            more = re.search(r'href="([^"]*after=[^"]*)"', page)
            following = more and html.unescape(more[1])
        assert len(seen) == len(set(seen)) == count, (path, seen)


def test_the_centre_sees_local_governments_cases_in_its_local_work(local) -> None:
    case = local.filed()
    assert case not in local.browser("again").get("/local").text, "it is not its turn"
    local.world.registration.examine(case, "shin", at=local.at)
    assert case in local.browser("again").get("/local").text
    assert case not in local.browser("shonin").get("/local").text


def test_other_years_are_not_answered(local) -> None:
    for year in (2013, 2016, 9999999999):
        for response in (
            local.browser("shin").get(f"/local/self-checks/{year}/edit"),
            local.browser("shin").post(f"/local/self-checks/{year}/edit", answers()),
        ):
            assert response.status_code in ({400} if year < 10_000 else {404, 405})


def test_the_words_of_the_pages_are_all_there() -> None:
    """Every key that a template names is in the texts, and the room's own begin with its name."""
    folder = Path("front/local")
    own = Texts.read([folder / "texts"])
    shared = Texts.read([Path("front/pages/texts")])
    for template in (folder / "templates").rglob("*.html"):
        for key in re.findall(r'\bt\("([a-z_.-]+[a-z_])"[,)]', template.read_text("utf-8")):
            assert own.has(key) or shared.has(key), f"{template}: {key}"
    assert all(key.startswith("local.") for key in own.words)


@pytest.mark.parametrize("year", ["9" * 30, "-1", "x"])
def test_a_year_beyond_all_bounds_is_no_slip_of_ours(local, year) -> None:
    centre = local.browser("again")
    assert centre.get(f"/local/self-checks?year={year}").status_code == 200
    assert centre.get(f"/local/self-checks/{year}").status_code == 404
    assert centre.get(f"/local/self-checks/local-1/2014/files/{year}").status_code == 404


# What a refusal says


@pytest.mark.parametrize(
    ("officer", "path", "form", "status", "told"),
    [
        ("shonin", "/local/cases/{case}/approve", {}, 409, "「承認」はできません"),
        ("other-2", "/local/cases/{case}/examine", {}, 404, "見つかりません"),
        ("other", "/local/media/{medium}", None, 404, "登録されていません"),
        ("madoguchi", "/local", None, 403, "地方公共団体の分局だけが使えます"),
        ("uke", "/local/cases/local-2-999999", None, 404, "案件 local-2-999999 は見つかりません"),
    ],
)
def test_a_refusal_speaks_the_readers_language(local, places, officer, path, form, status, told) -> None:
    path = path.format(**places)
    for language in ("ja", "en"):
        browser = local.browser(officer, language)
        answer = browser.get(path) if form is None else browser.post(path, form)
        assert answer.status_code == status
        assert (told in answer.text) == (language == "ja")
        assert ('<p lang="en">' in answer.text) == (language == "en")


@pytest.mark.parametrize(
    ("kept_in", "said"),
    [
        ("local", ("state", "life", "kind.lg-", "step.reject.do", "step.discard.do", "step.examine.do", "more")),
        ("local", ("step.examine.done", "step.re-examine", "case.now", "case.history", "case.download", "cancel")),
        ("console", ("state",)),
    ],
)  # fmt: skip
def test_the_rooms_have_one_word_for_one_thing(kept_in: str, said: tuple[str, ...]) -> None:
    """Whoever works in two of them, as the centre does, reads the same."""
    there, window = words_of(kept_in), words_of("registration")
    same = [
        word for word in there.keys() & window.keys() if word.startswith(said) and not word.endswith(".asks")
    ]
    assert len(same) >= len(said)
    assert {word: there[word] for word in same} == {word: window[word] for word in same}


@pytest.mark.parametrize(
    ("language", "words"),
    [("ja", "保存期間の満了により廃棄"), ("en", "Destroyed when its time was over")],
)
def test_a_case_whose_time_is_over_says_so(local: LocalWorld, language: str, words: str) -> None:
    case, number = local.delivered()
    waits = local.issued()
    end_retention(local.stores, local.passes(days=365 * 20), local.passes(days=365 * 20))
    for browser in (local.browser("uke", language), local.browser("shin", language)):
        for path in (f"/local/cases/{case}", f"/local/media/{number}"):
            page = browser.get(path)
            assert words in page.text
            assert "Mayor" not in page.text
    assert words in local.browser("uke", language).get("/local").text, "its certificate was never given out"
    refused = local.browser("uke", language).get(f"/local/cases/{waits}/{POST}.pem")
    assert refused.status_code == 404
    assert ("廃棄されました" if language == "ja" else "were destroyed") in refused.text


def words_of(room: str) -> dict[str, dict[str, str]]:
    """What a room's texts say, in both languages, by their keys without the room's name."""
    found: dict[str, dict[str, str]] = {}

    def read(key: str, inside: dict) -> None:
        if isinstance(inside.get("ja"), str):
            found[key] = {language: inside[language] for language in ("ja", "en")}
        for name, more in inside.items():
            if isinstance(more, dict):
                read(f"{key}.{name}" if key else name, more)

    for path in (Path(front.__file__).parent / room / "texts").glob("*.toml"):
        read("", tomllib.loads(path.read_text(encoding="utf-8")).get(room, {}))
    return found
