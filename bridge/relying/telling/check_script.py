"""``check.sh``: a bundle judged by OpenSSL alone, as a POSIX shell script that a person can read.

OpenSSL applies RFC 5280 6.1 and the lists. It knows nothing of test worlds, so the script looks at the names itself,
and its delta lists are no judge of ours, so the script says so where a delta list decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from bridge.manifest import Marking
from bridge.relying.finding.index import IndexedList
from bridge.relying.finding.points import ALL_REASONS
from bridge.relying.telling.bundle import Bundle
from ca.profiles.extensions import ANY_POLICY
from ca.rules.revocation import status_of
from ca.wire.facts import CertificateFacts, read_certificate
from ca.wire.list_facts import read_list

ANCHORS = "trust/anchors.pem"
PATH, SIGNER, LIST, DELTA = "path/{}.pem", "signers/{}.pem", "lists/{}.pem", "deltas/{}.pem"
ANSWER = "answers/{}.der"
"""Names of a bundle's files; those of a kind are numbered from 1 in the order of the bundle."""

_HEAD = """\
#!/bin/sh
# Judges the certificate of this folder with OpenSSL 3 alone, as of {at:%Y-%m-%dT%H:%M:%SZ}.
#
#   trust/    the trust anchor: compare it with your own before you believe this folder
#   path/     certificates below it; the last is the one that is judged
#   lists/    lists of revoked certificates{more}
#
# Exit status: 0 OpenSSL accepts it, 1 OpenSSL refuses it, 2 OpenSSL cannot judge it, or disagrees with verdict.json.
set -u
cd "$(dirname "$0")" || exit 2
case "$(openssl version 2>/dev/null)" in
"OpenSSL "[3-9]*) ;;
*) echo "check.sh: OpenSSL 3 or later is needed" >&2; exit 2 ;;
esac
expected={expected}
refuse() {{ echo "refused: $*"; refused=yes; }}
refused=no

"""
_TAIL = """
if [ "$refused" = no ]; then said=accepted; else said=refused; fi
echo "OpenSSL: $said; verdict.json: $expected"
[ "$said" = "$expected" ] || { echo "check.sh: they disagree" >&2; exit 2; }
[ "$said" = accepted ]
"""
_RUN = """\
judge() {
    openssl "$@"
    status=$?
    case $status in
    0) ;;
    2) refuse "openssl $1 (see above)" ;;
    *) echo "check.sh: openssl $1 ended with status $status" >&2; exit 2 ;;
    esac
}
"""
_TEST_NAMES = """\
# No certificate of a test world is believed in production. OpenSSL does not know that rule.
for file in {files}; do
    if openssl x509 -in "$file" -noout -issuer -subject -nameopt multiline,utf8,-esc_msb |
        grep -Eiq '^ *organizationName *= .*-TEST *$'; then
        refuse "$file belongs to a test world"
    fi
done
"""
_ASK = """\
# Step {step} was asked of a responder; its answer names keys by one of these digests. OpenSSL can compare the answer's
# times with today alone, and warns of an old one: verdict.json has compared them with the moment.
for digest in sha1 sha256 sha384 sha512; do
    said=$(cat {chain} | openssl ocsp -respin {answer} \\
        -issuer {issuer} "-$digest" -cert {certificate} \\
        {trust} \\
        {policies} -verify_other /dev/stdin 2>&1)
    printf '%s\\n' "$said" | grep -q 'No Status found' || break
done
printf '%s\\n' "$said" | grep -v nonce
printf '%s\\n' "$said" | grep -Eqx '({certificate}: )?good' && printf '%s\\n' "$said" | grep -qx 'Response verify OK' ||
    refuse "step {step} by its answer"
"""


def check_script(content: Bundle) -> str:
    """The script for a bundle: pure ASCII, made of numbers and fixed words alone."""
    more = "\n#   answers/  OCSP responses" if content.answers else ""
    expected = "accepted" if content.reason is None else "refused"
    head = _HEAD.format(at=content.at, more=more, expected=expected)
    if _decided_by_deltas(content):
        return head + _cannot("a delta list decides here, and OpenSSL uses delta lists that do not fit")
    return head + "\n".join(_body(content)) + _TAIL


def _cannot(why: str) -> str:
    return f'echo "check.sh: OpenSSL cannot judge this: {why}" >&2\nexit 2\n'


def _body(content: Bundle) -> Iterator[str]:
    last, trust, policies = len(content.path), _trust(content), _policies(content)
    yield _RUN
    if content.marking is Marking.PRODUCTION:
        yield _TEST_NAMES.format(files=" ".join([ANCHORS, *_files(PATH, last)]))
        if content.world is Marking.TEST:
            yield 'refuse "what was published is marked as a test world"\n'
    if content.anchors_list and content.asked == tuple(range(1, last + 1)):
        yield "# The chain, its policies, and the list of every certificate, the anchor's own too."
        yield _judge(trust, policies, _lists(content), "-crl_check_all", _chain(content, last))
        return
    yield "# The chain and its policies."
    yield _judge(trust, policies, _chain(content, last))
    for step in content.asked:
        yield f"# Step {step}, with the list of its issuer."
        yield _judge(trust, _lists(content), "-crl_check", _chain(content, step))
    for number, (step, _) in enumerate(content.answers, 1):
        if step not in content.asked:
            above = _files(PATH, step - 1)
            yield _ASK.format(
                step=step,
                answer=ANSWER.format(number),
                certificate=PATH.format(step),
                issuer=above[-1] if above else ANCHORS,
                chain=" ".join(above or [ANCHORS]),
                trust=trust,
                policies=policies,
            )


def _judge(*words: str) -> str:
    lines = " \\\n    ".join(word for word in words if word)
    return f"judge verify {lines}\n"


def _trust(content: Bundle) -> str:
    """The moment and the anchor, and nothing that the machine trusts besides."""
    anchors = [read_certificate(der, "an anchor") for der in content.anchors]
    partial = "" if all(one.subject == one.issuer for one in anchors) else " -partial_chain"
    moment = int(content.at.timestamp())
    return f"-attime {moment} -CAfile {ANCHORS} -no-CApath -no-CAstore -auth_level 1{partial}"


def _policies(content: Bundle) -> str:
    demand = content.demand
    flags = {
        "-explicit_policy": demand.explicit,
        "-inhibit_map": demand.inhibit_mapping,
        "-inhibit_any": demand.inhibit_any,
    }
    # With an explicit policy and none named, OpenSSL would accept none.
    wanted = sorted(content.policies) or [ANY_POLICY]
    named = [f"-policy {policy}" for policy in wanted]
    return " ".join([*named, "-policy_check", *(flag for flag, on in flags.items() if on)])


def _lists(content: Bundle) -> str:
    """Every list: which of them speaks, OpenSSL decides. Lists for others, by others or in parts have to be allowed."""
    named = " ".join(f"-CRLfile {file}" for file in _files(LIST, len(content.lists)))
    scopes = [IndexedList(read_list(der, "a list")).scope for der in content.lists]
    extended = content.signers or any(one.indirect or one.reasons != ALL_REASONS for one in scopes)
    return f"{named} -extended_crl" if extended else named


def _chain(content: Bundle, step: int) -> str:
    """The certificate of a step, and those that lead to it."""
    between = [*_files(PATH, step - 1), *_files(SIGNER, len(content.signers))]
    return " ".join([*(f"-untrusted {file}" for file in between), PATH.format(step)])


def _files(pattern: str, count: int) -> list[str]:
    return [pattern.format(number) for number in range(1, count + 1)]


def _decided_by_deltas(content: Bundle) -> bool:
    """Whether the complete lists alone would say something else, or are out of date."""
    if not content.deltas:
        return False
    lists = [IndexedList(read_list(der, "a list")) for der in content.lists]
    path = [read_certificate(der, "a certificate") for der in content.path]
    told = [_told(path[step - 1], lists, content.at) for step in content.asked]
    refused = any(revoked or stale for revoked, stale in told)
    return refused == (content.reason is None)


def _told(certificate: CertificateFacts, lists: Sequence[IndexedList], at: datetime) -> tuple[bool, bool]:
    """Whether a complete list of its issuer says that it is revoked, and whether one is out of date."""
    own = [one for one in lists if one.facts.issuer == certificate.issuer]
    ended = [status_of(certificate.not_before, one.revocation(certificate.serial), at) for one in own]
    until = [one.facts.next_update for one in own]
    return (
        any(status.revocation is not None for status in ended),
        any(moment is None or moment < at for moment in until),
    )
