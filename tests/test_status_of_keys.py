"""Whose status is answered while a key comes and goes: a server follows the steps of its life, and needs no restart."""

from base64 import b64encode
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from asn1crypto import x509
from asn1crypto.ocsp import OCSPResponse

from bridge.crossing.rekeying import Rekeying
from ca.errors import NotFound
from ca.issuing.succession import Succession
from ca.journal.entries import OrderEntry, RevocationEntry
from ca.model import ARL, CertificateId, GenerationId, RevocationReason
from ca.rules.generations import Step
from ca.store import authorities, certificates, key_needs
from front.assembly import open_world
from front.heart import beating
from front.responding import responder_ends
from front.server import responding
from ocsp.national import NATIONAL
from ocsp.responder import open_responder
from tests import served_world
from tests.commands import done, run
from tests.ocsp_world import LATER, LIFETIME, UNAUTHORIZED, call, post, request_for
from tests.served_world import wait_until
from tests.small_edition import SEED

OLD, NEW = GenerationId.parse("jpki-31.g1"), GenerationId.parse("jpki-31.g2")
TO_SERVED = (
    Step.PLAN, Step.MAKE_KEY, Step.NEW_WITH_NEW, Step.NEW_WITH_OLD, Step.OLD_WITH_NEW, Step.SERVE_STATUS,
)  # fmt: skip


@pytest.fixture
def home(tmp_path):
    """A home with a responder for all the nation, and a prefecture with a database of its own."""
    edition = tmp_path / "edition.toml"
    status = "\n[status]\nnational_responder = true\n"
    edition.write_text(served_world.edition() + status, encoding="utf-8")
    own = ("--authority-database", "jpki-31=sqlite:///31.db")
    making = ("--edition", edition, "--test-keys", "--seed", SEED, *own)
    done(run("init", *making, "--home", tmp_path / "home"))
    return tmp_path / "home"


def about(world, generation):
    """A request about the certificate of a key by itself, be it public or not."""
    with world.stores.of(generation.authority).reading() as connection:
        serial = authorities.generation(connection, generation).serial
        own = certificates.find(connection, CertificateId(generation, serial))
    return request_for(x509.Certificate.load(own.encoded), serial)


class Asking:
    """What the server says of a key, by the key's own responder and by the nation's, by POST and by GET."""

    def __init__(self, world, application):
        self.world, self.application = world, application

    def says(self, generation):
        request = about(self.world, generation)
        got = quote(b64encode(request).decode(), safe="")
        return {
            word(reply)
            for responder in (generation, NATIONAL)
            for reply in (
                post(self.application, request, responder),
                call(self.application, "GET", f"/ocsp/{responder}/{got}"),
            )
        }

    def is_served(self, generation):
        wait_until(lambda: self.says(generation) == {"good"}, f"{generation} is served")

    def is_nobody(self, generation):
        """As an authority that there never was: no such place, and none of the nation's."""
        wait_until(lambda: self.says(generation) == {404, UNAUTHORIZED}, f"{generation} is not served")


def word(reply):
    if reply.status != 200 or reply.body in {LATER, UNAUTHORIZED}:
        return reply.status if reply.status != 200 else reply.body
    (answer,) = OCSPResponse.load(reply.body)["response_bytes"]["response"].parsed["tbs_response_data"][
        "responses"
    ]
    return answer["cert_status"].name


def test_a_server_follows_the_steps_of_keys_while_it_runs(home):
    with ExitStack() as stack:
        world = stack.enter_context(open_world(home, lambda: ""))
        stack.enter_context(beating(world))
        asking = Asking(world, stack.enter_context(responding(world)))
        taking = Succession(world.issuers, world.plan.municipalities, world.chance)
        asking.is_served(OLD)
        assert post(asking.application, b"anything", NEW).status == 404
        for step in TO_SERVED[:-1]:
            taking.take(step, NEW, at=world.clock())
            assert post(asking.application, b"anything", NEW).status == 404
            asking.is_served(OLD)
        asking.is_nobody(NEW)
        taking.take(Step.SERVE_STATUS, NEW, at=world.clock())
        asking.is_served(NEW)
        taking.back(NEW, at=world.clock())
        asking.is_nobody(NEW)
        taking.take(Step.SERVE_STATUS, NEW, at=world.clock())
        Rekeying(world.issuers, world.plan, world.chance).renew_crosses(NEW, at=world.clock())
        for step in (Step.RENEW_CROSSES, Step.CUT_OVER):
            taking.take(step, NEW, at=world.clock())
            asking.is_served(NEW)
            asking.is_served(OLD)
        assert {OLD, NEW} <= {generation for generation, _ in responder_ends(world.stores)}
        end_all(world, OLD)
        taking.take(Step.RETIRE, OLD, at=world.clock())
        asking.is_nobody(OLD)
        asking.is_served(NEW)
        assert OLD not in {generation for generation, _ in responder_ends(world.stores)}
        with pytest.raises(NotFound, match="has no status to be asked for"):
            open_responder(world.issuers, OLD, LIFETIME)


def end_all(world, generation):
    """End what a key has issued to others."""
    at = world.clock().replace(microsecond=0)
    with world.stores.recording() as recording:
        connection = recording.of(generation.authority)
        crossed = [
            made
            for subject, made in authorities.crosses(connection)
            if made.generation == generation and subject.authority != generation.authority
        ]
        orders = tuple(OrderEntry(str(one), RevocationReason.SUPERSEDED.word, at, ARL) for one in crossed)
        recording.note(RevocationEntry("officer operator", "a trial", at, orders))
        assert key_needs.in_force(recording.writing, crossed) == []
