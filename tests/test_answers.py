"""OCSP responses as evidence, made by cryptography: they are asked where no list speaks, and judged by RFC 6960."""

from __future__ import annotations

import dataclasses
from dataclasses import field
from datetime import datetime

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from bridge.manifest import Marking
from bridge.relying.finding.carried import Carried
from bridge.relying.rejection import PathRejected, Reason
from bridge.relying.trust import Trust
from bridge.relying.verify import VerifiedPath, verify
from tests.relying_world import ANCHOR, AT, DAY, GPKI_POLICY, HOLDER, PREFECTURE, TOWN, Cert, Crl, key, o

GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
RESPONDER_NAME = o("RESPONDER")
NO_CHECK = ("ocsp_no_check", False, core.Null())

ANCHORS = Cert(ANCHOR, ANCHOR, 0, 0, 1, self_signed=True)
ISSUER = Cert(PREFECTURE, ANCHOR, 2, 0, 7, policies=[GPKI_POLICY])
LEAF = Cert(HOLDER, PREFECTURE, 3, 2, 0x31, ca=False, usage=None, policies=[GPKI_POLICY])
RESPONDER = Cert(
    RESPONDER_NAME,
    PREFECTURE,
    5,
    2,
    0x40,
    ca=False,
    usage={"digital_signature"},
    purposes=["ocsp_signing"],
    more=[NO_CHECK],
)


def load(certificate: Cert) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate.der())


@dataclasses.dataclass
class Answer:
    """A response to be made. Every field is one thing that a test may change."""

    about: Cert = field(default_factory=lambda: LEAF)
    issuer: Cert = field(default_factory=lambda: ISSUER)
    status: ocsp.OCSPCertStatus = GOOD
    this_update: datetime = AT - DAY / 2
    next_update: datetime | None = AT + DAY / 2
    responder: Cert = field(default_factory=lambda: RESPONDER)
    signer: int = 5
    carried: tuple[Cert, ...] = (RESPONDER,)
    digest: type[hashes.HashAlgorithm] = hashes.SHA256
    named_by: ocsp.OCSPResponderEncoding = ocsp.OCSPResponderEncoding.HASH

    def der(self) -> bytes:
        ended = self.status is REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            load(self.about),
            load(self.issuer),
            self.digest(),
            self.status,
            self.this_update,
            self.next_update,
            AT - DAY if ended else None,
            x509.ReasonFlags.key_compromise if ended else None,
        )
        builder = builder.responder_id(self.named_by, load(self.responder))
        if self.carried:
            builder = builder.certificates([load(one) for one in self.carried])
        return builder.sign(key(self.signer), hashes.SHA256()).public_bytes(Encoding.DER)


def ask(*answers: Answer | bytes, lists: tuple[Crl, ...] = ()) -> VerifiedPath:
    """Verify the holder: the anchor's list tells of the prefecture, and of the holder what is given."""
    material = Carried(
        certificates=[ISSUER.der()],
        lists=[one.der() for one in (Crl("x", "full", ANCHOR, 0), *lists)],
        answers=[one if isinstance(one, bytes) else one.der() for one in answers],
    )
    trust = Trust((ANCHORS.der(),), frozenset({GPKI_POLICY}), Marking.TEST)
    return verify(LEAF.der(), material, trust, AT)


def refused(*answers: Answer | bytes, lists: tuple[Crl, ...] = ()) -> Reason:
    with pytest.raises(PathRejected) as caught:
        ask(*answers, lists=lists)
    assert caught.value.step == 2
    return caught.value.reason


BY_ISSUER = Answer(responder=ISSUER, signer=2, carried=())


@pytest.mark.parametrize(
    "answer",
    [
        Answer(),
        BY_ISSUER,
        Answer(named_by=ocsp.OCSPResponderEncoding.NAME),
        dataclasses.replace(BY_ISSUER, named_by=ocsp.OCSPResponderEncoding.NAME),
        Answer(digest=hashes.SHA1),
        Answer(digest=hashes.SHA384),
        Answer(digest=hashes.SHA512),
        Answer(next_update=AT),
        Answer(this_update=AT),
        Answer(carried=(ISSUER, RESPONDER)),
    ],
)
def test_a_right_answer_speaks(answer: Answer) -> None:
    made = answer.der()  # it names the second it was made in
    path = ask(made)
    (used,) = path.answers
    assert (used.step, used.this_update, used.next_update) == (2, answer.this_update, answer.next_update)
    assert used.der == made
    assert len(path.lists) == 1
    assert refused(dataclasses.replace(answer, status=REVOKED)) is Reason.REVOKED


def responder(**values: object) -> Answer:
    changed = dataclasses.replace(RESPONDER, **values)
    return Answer(responder=changed, carried=(changed,))


def spoilt(response: bytes) -> bytes:
    """The same with other octets for its signature."""
    signature = ocsp.load_der_ocsp_response(response).signature
    assert response.count(signature) == 1
    return response.replace(signature, signature[::-1])


WRONG = {
    "of another certificate": Answer(about=RESPONDER),
    "of another issuer's key": Answer(issuer=dataclasses.replace(ISSUER, key=4)),
    "unknown": Answer(status=UNKNOWN),
    "out of date": Answer(this_update=AT - 2 * DAY, next_update=AT - DAY),
    "of a later time": Answer(this_update=AT + DAY / 4),
    "without a next update": Answer(next_update=None),
    "with a wrong signature": spoilt(Answer().der()),
    "signed by a responder that is not carried": Answer(carried=()),
    "signed by who is carried beside its responder": Answer(carried=(ISSUER,)),
    "with too many certificates": Answer(carried=(RESPONDER,) * 5),
    "by another issuer's responder": responder(issuer=o("OTHER")),
    "by a responder that another key issued": responder(signer=4, aki_key=2),
    "by a certificate for another purpose": responder(purposes=["client_auth"]),
    "by a certificate for any purpose": responder(purposes=None),
    "by a key for other uses": responder(usage={"key_encipherment"}),
    "by an expired responder": responder(not_after=AT - DAY),
    "by a responder with an unknown critical extension": responder(
        more=[NO_CHECK, ("2.999.5", True, b"\x05\x00")]
    ),
    # Nothing tells whether it is revoked: no list, and no word that none is needed.
    "by a responder that may be revoked": responder(more=[]),
    "an error": ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
        Encoding.DER
    ),
    "empty": b"",
    "too long": bytes(70_000),
    "no response": b"\x30\x03\x0a\x01\x00",
    "of another type": b"\x30\x03\x0a\x01\x06",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_says_nothing(wrong: Answer | bytes) -> None:
    assert refused(wrong) is Reason.CANNOT_TELL
    assert ask(wrong, Answer()).answers, "it does not stand in the way of a right one"


LIST = Crl("x", "full", PREFECTURE, 2)
ENDED = {"revoked": {0x31: (AT - DAY, "superseded")}}


def test_lists_come_first() -> None:
    assert not ask(Answer(status=REVOKED), lists=(LIST,)).answers
    assert refused(Answer(), lists=(dataclasses.replace(LIST, **ENDED),)) is Reason.REVOKED
    expired = dataclasses.replace(LIST, next_update=AT - DAY / 4)
    assert ask(Answer(), lists=(expired,)).answers


def test_of_two_answers_the_worse_counts() -> None:
    for pair in ((Answer(), Answer(status=REVOKED)), (Answer(status=REVOKED), Answer())):
        assert refused(*pair) is Reason.REVOKED


def test_a_list_may_tell_of_the_responder() -> None:
    plain = responder(more=[])
    of_others = dataclasses.replace(
        LIST, partial={"only_contains_user_certs": True, "only_some_reasons": {"superseded"}}
    )
    assert refused(plain, lists=(of_others,)) is Reason.CANNOT_TELL
    # The list that tells of the responder would tell of the holder too, were it not for its point.
    pointed = dataclasses.replace(RESPONDER, more=[], point=TOWN)
    listed = dataclasses.replace(LIST, point=TOWN)
    answer = Answer(responder=pointed, carried=(pointed,))
    assert len(ask(answer, lists=(listed,)).lists) == 2
    revoked = dataclasses.replace(listed, revoked={RESPONDER.serial: (AT - DAY, None)})
    assert refused(answer, lists=(revoked,)) is Reason.CANNOT_TELL


def test_a_responder_does_not_tell_of_itself() -> None:
    """Its nocheck is for who has its answer about another; about itself another responder, or a list, has to tell."""
    asked = dataclasses.replace(RESPONDER, policies=[GPKI_POLICY])
    renewed = dataclasses.replace(asked, serial=0x41)
    other = dataclasses.replace(RESPONDER, subject=o("ANOTHER"), key=6, serial=0x42)

    def outcome(*answers: Answer, lists: tuple[Crl, ...] = ()) -> Reason | None:
        material = Carried(
            certificates=[ISSUER.der()],
            lists=[one.der() for one in (Crl("x", "full", ANCHOR, 0), *lists)],
            answers=[one.der() for one in answers],
        )
        try:
            verify(asked.der(), material, Trust((ANCHORS.der(),), frozenset({GPKI_POLICY}), Marking.TEST), AT)
        except PathRejected as rejected:
            return rejected.reason
        return None

    assert outcome() is Reason.CANNOT_TELL
    for itself in (asked, renewed):
        assert outcome(Answer(about=asked, responder=itself, carried=(itself,))) is Reason.CANNOT_TELL
    told = Answer(about=asked, responder=other, carried=(other,), signer=6)
    assert outcome(told) is None
    assert outcome(dataclasses.replace(told, status=REVOKED)) is Reason.REVOKED
    assert outcome(dataclasses.replace(BY_ISSUER, about=asked)) is None
    assert outcome(lists=(LIST,)) is None
    ended = dataclasses.replace(LIST, revoked={RESPONDER.serial: (AT - DAY, None)})
    assert outcome(told, lists=(ended,)) is Reason.REVOKED


RIGHT = Answer().der()


@given(data=st.data())
def test_a_changed_answer_says_nothing(data: st.DataObject) -> None:
    octets = bytearray(RIGHT)
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    assert refused(bytes(octets)) is Reason.CANNOT_TELL
