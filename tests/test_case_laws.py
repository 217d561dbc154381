"""On any single path ours and OpenSSL agree: policies, mappings, their numbers and path lengths, drawn at random."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import assume, event, given
from hypothesis import strategies as st

from bridge.relying.verify import VerifiedPath
from tests.cases.load import Case, CaseEntry, understand
from tests.cases.openssl import Openssl
from tests.cases.ours import carried, outcome
from tests.cases.parties import ANY
from tests.cases.world import build

POLICIES = ("2.999.1", "2.999.2", "2.999.3")
CAS = ("bridge", "bridge.g2", "tokyo", "tokyo.g2", "osaka", "lgpki")

numbers = st.integers(0, 3)
"""How many certificates may follow before something binds, or may follow at all."""


@st.composite
def certificates(draw: st.DrawFn, *, of_a_ca: bool) -> str:
    """What a certificate says, as notes; the policies that lead on are likelier than others."""
    policies = draw(st.lists(st.sampled_from((*POLICIES, "any")), max_size=3, unique=True))
    notes = [f"policies {', '.join(policies)}" if policies else "no policies", "maps nothing", "not explicit"]
    if of_a_ca:
        pairs = st.tuples(st.sampled_from(POLICIES), st.sampled_from(POLICIES))
        if mappings := draw(st.lists(pairs, max_size=3, unique=True)):
            notes[1] = "maps " + ", ".join("=".join(pair) for pair in mappings)
        drawn = {phrase: draw(st.none() | numbers) for phrase in ("inhibits mapping", "inhibits any", "path")}
        notes += [f"{phrase} {number}" for phrase, number in drawn.items() if number is not None]
    if (number := draw(st.none() | numbers)) is not None:
        notes[2] = f"explicit {number}"
    return "; ".join(notes)


@st.composite
def paths(draw: st.DrawFn) -> Case:
    """A chain of one to four CAs below the anchor, some of them links, and what the verifier asks for."""
    cas = draw(st.lists(st.sampled_from(CAS), min_size=1, max_size=4, unique=True))
    steps = [f"{ca} [{draw(certificates(of_a_ca=True))}]" for ca in cas]
    steps.append(f"holder [{draw(certificates(of_a_ca=False))}]")
    entry = CaseEntry(
        chain=" > ".join(["gpki", *steps]),
        clause="RFC 5280 6.1",
        expect="valid",
        policies=tuple(draw(st.lists(st.sampled_from(POLICIES), min_size=1, max_size=2, unique=True))),
        demand=tuple(
            draw(st.lists(st.sampled_from(("implicit", "inhibit mapping", "inhibit any")), unique=True))
        ),
    )
    return understand("drawn/path", entry)


@given(case=paths())
def test_ours_and_openssl_agree_on_a_path(case: Case) -> None:
    assume(not maps_an_inhibited_any_policy(case))
    built = build(case)
    ours = outcome(built, carried(built))
    with tempfile.TemporaryDirectory() as folder:
        theirs = Openssl().verdict(built, Path(folder) / "openssl", revocation=False)
    event(f"valid: {theirs.valid}")
    assert isinstance(ours, VerifiedPath) == theirs.valid, f"{ours} / {theirs} of {case.entry}"


def maps_an_inhibited_any_policy(case: Case) -> bool:
    """OpenSSL maps from anyPolicy where anyPolicy is inhibited (fixtures/judges.toml: any-mapped)."""
    drafts = [made.draft for made in build(case).path]
    inhibited = "inhibit any" in case.entry.demand or any(one.inhibit_any is not None for one in drafts)
    return inhibited and any(
        ANY in one.policies and any(above not in one.policies for above, _ in one.mappings) for one in drafts
    )
