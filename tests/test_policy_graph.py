"""The policy graph: the RFCs' own figures, its size, and two other programs that come to the same policies."""

import re
import subprocess
from dataclasses import dataclass, field, replace

import pytest
from asn1crypto import core, pem, x509
from hypothesis import example, given
from hypothesis import strategies as st
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import PathValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy, PKIXValidationParams
from pyhanko_certvalidator.validate import async_validate_path

from bridge.relying.policies import read_policies
from bridge.relying.rejection import BudgetSpent, Reason
from bridge.relying.telling.explaining import explain
from bridge.relying.telling.policy_graph import policy_graph
from bridge.relying.trust import PolicyDemand
from ca.errors import BadInput
from ca.profiles import extensions as ext
from ca.wire.facts import ExtensionFacts, read_certificate
from tests.pkits import AT as PKITS_AT
from tests.pkits import CASES, everything
from tests.relying_world import ANCHOR, AT, Cert, o

P1, P2, P3, P4, P5, P6 = (f"2.999.{number}" for number in range(1, 7))
GOLD, SILVER, WHITE, YELLOW, BRONZE, RED, BLUE = (f"2.999.10.{number}" for number in range(1, 8))
ANY = ext.ANY_POLICY


@dataclass(frozen=True)
class Link:
    """One certificate of a chain below the anchor: what it says of policies."""

    policies: tuple[str, ...] | None = None
    mappings: tuple[tuple[str, str], ...] = ()
    require_explicit: int | None = None
    inhibit_mapping: int | None = None
    inhibit_any: int | None = None
    self_issued: bool = False

    def extensions(self):
        if self.policies is not None:
            value = x509.CertificatePolicies([{"policy_identifier": policy} for policy in self.policies])
            yield "certificate_policies", False, value
        if self.mappings:
            pairs = [{"issuer_domain_policy": a, "subject_domain_policy": b} for a, b in self.mappings]
            yield "policy_mappings", True, x509.PolicyMappings(pairs)
        if (self.require_explicit, self.inhibit_mapping) != (None, None):
            value = {
                "require_explicit_policy": self.require_explicit,
                "inhibit_policy_mapping": self.inhibit_mapping,
            }
            yield "policy_constraints", True, x509.PolicyConstraints(value)
        if self.inhibit_any is not None:
            yield "inhibit_any_policy", True, core.Integer(self.inhibit_any)


def chain(*links: Link) -> list[bytes]:
    """The anchor, and a certificate for each link; the last one is no CA's."""
    made = [Cert(ANCHOR, ANCHOR, key=0, signer=0, serial=1, self_signed=True)]
    for number, link in enumerate(links, 1):
        issuer, last = made[-1].subject, number == len(links)
        subject = issuer if link.self_issued else o(f"Level {number}")
        made.append(
            Cert(
                subject,
                issuer,
                key=number,
                signer=number - 1,
                serial=number + 1,
                ca=not last,
                usage={"digital_signature"} if last else {"key_cert_sign"},
                more=list(link.extensions()),
            )
        )
    return [one.der() for one in made]


USUAL = PolicyDemand()


def graph_of(ders, acceptable=frozenset({P1}), demand=USUAL, **more):
    facts = [read_certificate(der, f"certificate {number}") for number, der in enumerate(ders)]
    return policy_graph(facts, frozenset(acceptable), demand, **more)


def drawn(graph):
    """Each step's nodes that stand at the end: policy -> (expected, parents)."""
    return [
        {node.policy: (set(node.expected), set(node.parents)) for node in step.nodes if node.lost is None}
        for step in graph.steps
    ]


# The figures. Each: the chain, what stands at its last two steps, and which policies it is valid for at the anchor.


@dataclass(frozen=True)
class Figure:
    id: str
    links: tuple[Link, ...]
    last: dict[str, tuple[set[str], set[str]]]
    authority: set[str]
    before: dict[str, tuple[set[str], set[str]]] = field(default_factory=dict)


TWO_PARENTS = Link((RED, BLUE), ((RED, GOLD), (RED, WHITE), (BLUE, GOLD), (BLUE, YELLOW)))
FIGURES = [
    Figure(
        "RFC 9618 figure 1",
        (Link((P1, P2, P5), ((P1, P3), (P1, P4))), Link((P2, P3, P6))),
        {P3: ({P3}, {P1}), P2: ({P2}, {P2})},
        {P1, P2},
        before={P1: ({P3, P4}, {ANY}), P2: ({P2}, {ANY})},
    ),
    Figure(
        "RFC 9618 exact match",
        (TWO_PARENTS, Link((GOLD, SILVER))),
        {GOLD: ({GOLD}, {RED, BLUE})},
        {RED, BLUE},
        before={RED: ({GOLD, WHITE}, {ANY}), BLUE: ({GOLD, YELLOW}, {ANY})},
    ),
    Figure(
        "RFC 9618 unmatched, under anyPolicy",
        (Link((ANY,)), Link((GOLD, SILVER))),
        {GOLD: ({GOLD}, {ANY}), SILVER: ({SILVER}, {ANY})},
        {GOLD, SILVER},
        before={ANY: ({ANY}, {ANY})},
    ),
    Figure(
        "RFC 9618 anyPolicy in the certificate",
        (
            Link((RED, BLUE), ((RED, GOLD), (RED, SILVER), (BLUE, GOLD), (BLUE, BRONZE))),
            Link((ANY, BRONZE)),
        ),
        {SILVER: ({SILVER}, {RED}), GOLD: ({GOLD}, {RED, BLUE}), BRONZE: ({BRONZE}, {BLUE})},
        {RED, BLUE},
        before={RED: ({GOLD, SILVER}, {ANY}), BLUE: ({GOLD, BRONZE}, {ANY})},
    ),
    Figure(
        "RFC 9618 pruning",
        # At the second certificate P1, P2 and P3 stand below the first one's; the third leaves P5's branch only.
        (
            Link((RED, BLUE, SILVER), ((RED, P1), (RED, P2), (BLUE, P2), (SILVER, P3))),
            Link((P1, P2, P3), ((P2, P4), (P2, P5), (P2, P6))),
            Link((P4, P5, P6)),
        ),
        {P4: ({P4}, {P2}), P5: ({P5}, {P2}), P6: ({P6}, {P2})},
        {RED, BLUE},
        before={P2: ({P4, P5, P6}, {RED, BLUE})},
    ),
    Figure(
        "RFC 5280 6.1.4 (b)(1): a mapping of what only anyPolicy covers",
        (Link((ANY,), ((GOLD, SILVER),)), Link((SILVER,))),
        {SILVER: ({SILVER}, {GOLD})},
        {GOLD},
        before={GOLD: ({SILVER}, {ANY})},
    ),
    Figure(
        "RFC 5280 6.1.4 (b)(2): mapping is inhibited",
        (Link((P1, P2), inhibit_mapping=0), Link((P1, P2), ((P1, P3),)), Link((P1, P2, P3))),
        {P2: ({P2}, {P2})},
        {P2},
        before={P2: ({P2}, {P2})},
    ),
    Figure(
        "RFC 5280 6.1.3 (d)(2): anyPolicy is inhibited",
        (Link((P1, ANY), inhibit_any=0), Link((ANY, P1)), Link((P1, P2))),
        {P1: ({P1}, {P1})},
        {P1},
        before={P1: ({P1}, {P1})},
    ),
    Figure(
        "RFC 5280 6.1.3 (d)(2)(b): a self-issued certificate may say anyPolicy though it is inhibited",
        (Link((P1, ANY), inhibit_any=0), Link((ANY,), self_issued=True), Link((P1,))),
        {P1: ({P1}, {P1})},
        {P1},
        before={P1: ({P1}, {P1})},
    ),
    Figure("anyPolicy to the end", (Link((ANY,)), Link((ANY,))), {ANY: ({ANY}, {ANY})}, {ANY}),
]  # fmt: skip


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
def test_a_figure_is_drawn(figure):
    graph = graph_of(chain(*figure.links), demand=PolicyDemand(any_policy=True), acceptable=())
    assert drawn(graph)[0] == {ANY: ({ANY}, set())}
    if figure.before:
        assert drawn(graph)[-2] == figure.before
    assert drawn(graph)[-1] == figure.last
    assert graph.authority == graph.user == figure.authority
    assert graph.broken is None


def openssl(folder, ders, acceptable):
    """Whether ``openssl verify`` accepts the chain with an explicit policy, and the two sets that it prints."""
    anchor, *between, leaf = (pem.armor("CERTIFICATE", der) for der in ders)
    for name, octets in {"anchor": anchor, "between": b"".join(between), "leaf": leaf}.items():
        (folder / f"{name}.pem").write_bytes(octets)
    command = ["openssl", "verify", "-CAfile", "anchor.pem", "-attime", str(int(AT.timestamp()))]
    command += ["-untrusted", "between.pem"] if between else []
    command += ["-explicit_policy", "-policy_print", "-policy_check"]
    command += [word for policy in sorted(acceptable) for word in ("-policy", policy)]
    said = subprocess.run([*command, "leaf.pem"], cwd=folder, capture_output=True, text=True, check=False)
    words = said.stdout + said.stderr
    named = [
        {ANY if oid == "X509v3 Any Policy" else oid for oid in re.findall(r"Policy: (.+)", part)}
        for part in re.findall(r"(?:Authority|User) Policies:(.*?)(?=User Policies|\Z)", words, re.DOTALL)
    ]
    return said.returncode == 0, named


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
@pytest.mark.parametrize("wanted", ["each", "all", "none"])
def test_openssl_prints_the_same_policies(figure, wanted, tmp_path):
    ders = chain(*figure.links)
    named = sorted(figure.authority - {ANY}) or [P1]
    acceptable = {"each": named[:1], "all": [*named, "2.999.500"], "none": ["2.999.500"]}[wanted]
    graph = graph_of(ders, acceptable)
    accepted, printed = openssl(tmp_path, ders, acceptable)
    assert accepted == (graph.broken is None) == (wanted != "none" or figure.authority == {ANY})
    if accepted:
        assert printed == [graph.authority, graph.user]


# Where policies end a path


@pytest.mark.parametrize(
    ("links", "acceptable", "demand", "step", "clause"),
    [
        ((Link((P1,)), Link((P2,))), {P1}, PolicyDemand(), 2, "6.1.3 (f)"),
        ((Link(), Link((P1,))), {P1}, PolicyDemand(), 1, "6.1.3 (f)"),
        ((Link((P1,)), Link((P1,))), {P2}, PolicyDemand(), 2, "6.1.5 (g)"),
        ((Link((P1, ANY), ((P1, ANY),)), Link((P1,))), {P1}, PolicyDemand(), 1, "6.1.4 (a)"),
        ((Link((ANY,), ((ANY, P1),)), Link((P1,))), {P1}, PolicyDemand(), 1, "6.1.4 (a)"),
        ((Link((P1,), require_explicit=0), Link()), {P1}, PolicyDemand(explicit=False), 2, "6.1.3 (f)"),
        ((Link(require_explicit=1), Link((P1,))), {P1}, PolicyDemand(explicit=False), 2, "6.1.5 (g)"),
        ((Link((P1,)), Link((P1,), require_explicit=0)), {P2}, PolicyDemand(explicit=False), 2, "6.1.5 (g)"),
        ((Link((ANY,)), Link((P1,))), {P1}, PolicyDemand(inhibit_any=True), 1, "6.1.3 (f)"),
        ((Link((P1,), ((P1, P2),)), Link((P2,))), {P1}, PolicyDemand(inhibit_mapping=True), 2, "6.1.3 (f)"),
    ],
)  # fmt: skip
def test_policies_end_a_path(links, acceptable, demand, step, clause):
    graph = graph_of(chain(*links), acceptable, demand)
    assert (graph.broken.step, graph.broken.clause) == (step, f"RFC 5280 {clause}")
    assert not graph.user
    assert graph.steps[-1].step == step


@pytest.mark.parametrize(
    "links",
    [
        (Link(), Link((P1,))),
        (Link(require_explicit=3), Link((P1,))),
        (Link((P1,), require_explicit=1), Link(self_issued=True), Link((P2,))),
    ],
)
def test_without_an_explicit_policy_a_path_may_be_valid_for_none(links):
    """The second counts one certificate less for a self-issued one (RFC 5280 6.1.4 (h))."""
    graph = graph_of(chain(*links), {P1}, PolicyDemand(explicit=False))
    explicit = graph.steps[-1].counters.explicit_policy
    assert (graph.broken is None) == (explicit > 0)
    assert graph.authority == graph.user == frozenset()


def test_what_a_later_certificate_takes_away_stays_to_be_seen():
    graph = graph_of(chain(Link((P1, P2)), Link((P1, P2)), Link((P1,))))
    for step in graph.steps[1:3]:
        assert {node.policy: node.lost for node in step.nodes} == {P1: None, P2: 3}
    assert graph.user == {P1}


# Size


def test_the_tree_that_doubles_at_each_step_is_a_graph_of_two_nodes_a_step():
    """RFC 9618 3.1 and 3.2: a tree would have 2**31 leaves here."""
    everything = ((P1, P1), (P1, P2), (P2, P1), (P2, P2))
    one = [read_certificate(der, "x") for der in chain(Link((P1, P2), everything), Link((P1, P2)))]
    path = [one[0], *[one[1]] * 30, one[2]]
    graph = policy_graph(path, frozenset({P1}))
    assert [len(step.nodes) for step in graph.steps] == [1, *[2] * 31]
    assert all(len(node.parents) == 2 for step in graph.steps[2:] for node in step.nodes)
    assert graph.authority == {P1, P2}


def many(count, prefix="2.999.9"):
    return tuple(f"{prefix}.{number}" for number in range(count))


def test_nodes_grow_with_the_sum_of_policies_and_mappings_and_end_at_the_limit():
    wide = many(300)
    crossed = tuple((wide[0], theirs) for theirs in wide) + tuple((ours, wide[0]) for ours in wide[1:])
    ders = chain(Link(wide, crossed), Link(wide, crossed), Link(wide))
    graph = graph_of(ders, wide[:1])
    assert sum(len(step.nodes) for step in graph.steps) == 1 + 3 * 300
    assert len(graph.authority) == 300
    assert graph_of(ders, wide[:1], limit=901) == graph
    with pytest.raises(BudgetSpent, match="the policy graph: has more than 900 nodes") as spent:
        graph_of(ders, wide[:1], limit=900)
    assert spent.value.limit == "policy_nodes"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ext.CertificatePolicies, "30020601"),
        (ext.CertificatePolicies, "0500"),
        (ext.CertificatePolicies, "300206012a"),
        (ext.PolicyMappings, "3006300406022a03"),
        (ext.PolicyConstraints, "3003820100"),
        (ext.PolicyConstraints, "30038001ff"),
        (ext.PolicyConstraints, "300480020001"),
    ],
)
def test_policies_that_cannot_be_read_are_refused_with_their_place(kind, value):
    right = read_certificate(chain(Link((P1,)))[0], "the certificate")
    wrong = replace(right, extensions=(ExtensionFacts(kind.oid, True, bytes.fromhex(value)),))
    with pytest.raises(BadInput, match="cannot be read as DER") as refusal:
        read_policies(wrong)
    assert refusal.value.place == "the certificate"


def test_a_policy_named_twice_counts_once():
    graph = graph_of(chain(Link((P1, P2, P1))))
    assert [node.policy for node in graph.steps[-1].nodes] == [P1, P2]


# The second opinion


def by_the_library(ders, acceptable, demand):
    """The policies of the anchor's domain as pyhanko-certvalidator decides them, or None if it refuses the path."""
    anchor, *between, leaf = (x509.Certificate.load(der) for der in ders)
    path = ValidationPath(CertTrustAnchor(anchor), between, leaf)
    context = ValidationContext(
        trust_roots=[],
        moment=AT,
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
        time_tolerance=None,
    )
    asked = PKIXValidationParams(
        user_initial_policy_set=frozenset({"any_policy"}) if demand.any_policy else frozenset(acceptable),
        initial_policy_mapping_inhibit=demand.inhibit_mapping,
        initial_explicit_policy=demand.explicit,
        initial_any_policy_inhibit=demand.inhibit_any,
    )
    try:
        async_validate_path(context, path, asked).send(None)
    except StopIteration:
        found = (policy.user_domain_policy_id for policy in path.qualified_policies() or ())
        return {ANY if policy == "any_policy" else policy for policy in found}
    except PathValidationError:
        return None


SOME = st.sampled_from([P1, P2, P3, P4])
NAMED = st.one_of(SOME, SOME, SOME, SOME, SOME, SOME, st.just(ANY))
COUNT = st.sampled_from([None, None, None, 0, 1, 2])
LINKS = st.builds(
    Link,
    policies=st.one_of(st.none(), *[st.lists(NAMED, min_size=1, max_size=5, unique=True).map(tuple)] * 5),
    mappings=st.lists(st.tuples(SOME, SOME), max_size=5, unique=True).map(tuple)
    | st.lists(st.tuples(NAMED, NAMED), max_size=2, unique=True).map(tuple),
    require_explicit=COUNT,
    inhibit_mapping=COUNT,
    inhibit_any=COUNT,
    self_issued=st.sampled_from([False, False, True]),
)
FLAG = st.booleans()
ASKED = st.builds(PolicyDemand, explicit=FLAG, inhibit_mapping=FLAG, inhibit_any=FLAG)
ANY_ASKED = st.builds(
    PolicyDemand, explicit=FLAG, inhibit_mapping=FLAG, inhibit_any=FLAG, any_policy=st.just(True)
)


@given(
    links=st.lists(LINKS, min_size=1, max_size=5),
    acceptable=st.frozensets(SOME, min_size=1),
    demand=ASKED | ANY_ASKED,
)
@example([Link((ANY,)), Link((ANY,))], frozenset({P1}), PolicyDemand())
@example([Link((P1, P2), ((P1, P2), (P2, P1))), Link((P1,))], frozenset({P1}), PolicyDemand())
def test_another_program_comes_to_the_same_policies(links, acceptable, demand):
    ders = chain(*links)
    graph = graph_of(ders, acceptable, demand)
    other = by_the_library(ders, acceptable, demand)
    assert (None if graph.broken else graph.user) == other
    if not demand.any_policy:
        assert graph.user <= acceptable
    for above, here in zip(graph.steps, graph.steps[1:], strict=False):
        standing = {node.policy for node in above.nodes}
        assert all(node.parents and node.parents <= standing for node in here.nodes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_graph_of_every_pkits_case_is_that_of_its_verdict(case):
    """Of the paths that come as far as policies. 4.1.6 cannot be read at all."""
    if case.number == "4.1.6":
        return
    explanation = explain(case.der, everything(), case.trust(), PKITS_AT)
    graph = explanation.deciding.graph if explanation.deciding else None
    if case.reason is None:
        assert graph.broken is None
        policies = explanation.outcome.policies
        assert graph.user == {ANY if policy == "any_policy" else policy for policy in policies}
    elif case.reason is Reason.POLICY:
        assert graph.broken.step == explanation.outcome.step
    elif case.reason in (Reason.REVOKED, Reason.CANNOT_TELL):
        assert graph.broken is None
