"""Issuing without a store in one thread: from a checked application to the encoded certificate, signed and verified.

Measured in seconds of the processor, so that other work on the machine counts little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, cycle

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from ca.chance import SystemChance
from ca.issuing.cycle import IssuedCertificate, prepare_linted, sign
from ca.issuing.holders import HolderCertificates, HolderRequest
from ca.issuing.intake import read_csr
from ca.model import RESIDENT_KINDS, CertificateKind
from ca.rules.validity import holder_period
from ca.suites import KeyFamily
from tests.bench import homes, materials, measure
from tests.bench.bench import Bench
from tests.bench.report import Budget, Row

_KEYS = 1024


def rows(bench: Bench) -> Iterator[Row]:
    """A row for each kind that residents have."""
    amount = bench.scale.one_thread
    requests = materials.requests(bench.kept, KeyFamily.RSA, min(_KEYS, 8 * amount))
    with bench.fresh("one-thread") as folder, homes.opened(homes.make_home(folder)) as home:
        private = home.issuer.signer._private
        for kind in RESIDENT_KINDS:
            make = _maker(home, kind, requests)
            sign_bare = partial(private.sign, make().record.encoded, padding.PKCS1v15(), hashes.SHA256())
            issued, signed = measure.in_turn(
                bench.scale.rounds,
                *(
                    partial(measure.rate, amount, partial(_often, amount, work), time.thread_time)
                    for work in (make, sign_bare)
                ),
            )
            yield Row(
                f"issue, no store, one thread, RSA-2048, {kind}",
                "certificates/s of processor time",
                issued.figure,
                "bare private_key.sign",
                signed.figure,
                signed.ratio,
                Budget("ratio", ">=", 0.80),
            )


def _often(times: int, work: Callable[[], object]) -> None:
    for _ in range(times):
        work()


def _maker(
    home: homes.Opened, kind: CertificateKind, requests: list[bytes]
) -> Callable[[], IssuedCertificate]:
    """Makes the next holder's certificate."""
    issuer, world = home.issuer, home.world
    practice = issuer.practice.holder(kind)
    certificates = HolderCertificates(world.plan.municipalities, SystemChance())
    keys = cycle([read_csr(request, practice.keys, "bench") for request in requests])
    holders = cycle([materials.person(number) for number in range(100)])
    at = world.clock()
    numbers = count()

    def make() -> IssuedCertificate:
        holder = next(holders)
        period = holder_period(
            practice.validity,
            issued_at=at,
            birth_date=holder.birth_date,
            no_later_than=(issuer.record.period.not_after,),
        )
        request = HolderRequest(holder, kind, next(keys), f"bench {next(numbers)}")
        place, linted = certificates.make(issuer, request, period)
        return sign(prepare_linted(issuer, linted, scope=place.scope, at=at), at)

    return make
