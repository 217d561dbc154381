"""What a verifier tells people, in English and Japanese: a sentence for every reason, and the words around them.

Each table has a row for every member of its enum; that is asserted here and tested. Sentences name no certificate:
what happened to which one stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from bridge.relying.rejection import Reason


class Language(StrEnum):
    """A language that people are told in."""

    ENGLISH = "en"
    JAPANESE = "ja"


@dataclass(frozen=True, slots=True)
class Said:
    """The same words in each language."""

    en: str
    ja: str

    def said(self, language: Language) -> str:
        """The words in this language."""
        return self.ja if language is Language.JAPANESE else self.en


class Verdict(StrEnum):
    """What a verification ends with; the value is the word of ``--json``."""

    VALID = "valid"
    NOT_VALID = "not valid"
    CANNOT_TELL = "cannot tell"


UNTOLD = frozenset({Reason.CANNOT_TELL, Reason.UNREADABLE})
"""Reasons that leave open whether the certificate is valid."""


def verdict_of(reason: Reason | None) -> Verdict:
    """The verdict that a reason makes; none makes it valid."""
    if reason is None:
        return Verdict.VALID
    return Verdict.CANNOT_TELL if reason in UNTOLD else Verdict.NOT_VALID


VERDICTS: Mapping[Verdict, Said] = MappingProxyType(
    {
        Verdict.VALID: Said("valid", "有効"),
        Verdict.NOT_VALID: Said("not valid", "無効"),
        Verdict.CANNOT_TELL: Said("cannot tell", "判定不能"),
    }
)

REASONS: Mapping[Reason, Said] = MappingProxyType(
    {
        Reason.NO_PATH: Said(
            "No chain of certificates leads from a trust anchor to this certificate.",
            "信頼の起点からこの証明書に至る証明書の連鎖がありません。",
        ),
        Reason.UNREADABLE: Said(
            "Something that was needed could not be fetched or read, so no verdict is possible.",
            "必要な情報を取得または読み取ることができないため、判定できません。",
        ),
        Reason.STRUCTURE: Said(
            "A certificate of the path is not built as the standard demands, or is not one that may issue others.",
            "経路上の証明書の構造が規格に適合していないか、他の証明書を発行できる証明書ではありません。",
        ),
        Reason.ALGORITHM: Said(
            "A certificate of the path is signed with an algorithm that is not, or no longer, believed.",
            "経路上の証明書が、信頼されていない、または信頼の期限を過ぎたアルゴリズムで署名されています。",
        ),
        Reason.SIGNATURE: Said(
            "A certificate of the path was not signed by the key of the one above it.",
            "経路上の証明書の署名が、上位の証明書の鍵によるものではありません。",
        ),
        Reason.EXPIRED: Said(
            "The validity of a certificate of the path was over at that moment.",
            "検証時点で、経路上の証明書の有効期間が満了しています。",
        ),
        Reason.NOT_YET_VALID: Said(
            "The validity of a certificate of the path had not begun at that moment.",
            "検証時点で、経路上の証明書の有効期間がまだ始まっていません。",
        ),
        Reason.CONSTRAINT: Said(
            "A certificate of the path breaks a constraint on names or on the length of the path, set above it.",
            "経路上の証明書が、上位の証明書が定めた名前またはパス長の制約に反しています。",
        ),
        Reason.POLICY: Said(
            "The path is not valid for any certificate policy that the verifier accepts.",
            "検証者が受け入れる証明書ポリシーのいずれについても、この経路は有効ではありません。",
        ),
        Reason.TEST_WORLD: Said(
            "A certificate of a test world stands in the path, and the trust is for production.",
            "本番用の信頼に対し、経路上にテスト環境の証明書が含まれています。",
        ),
        Reason.CANNOT_TELL: Said(
            "Whether a certificate of the path was revoked cannot be found out, or a limit of the work was reached.",
            "経路上の証明書の失効状態を確認できないか、検証作業の上限に達しました。",
        ),
        Reason.REVOKED: Said(
            "A certificate of the path was revoked at that moment.",
            "検証時点で、経路上の証明書が失効しています。",
        ),
    }
)


class Role(StrEnum):
    """What a certificate is in a path."""

    ANCHOR = "anchor"
    CROSS = "cross-certificate"
    LINK = "link certificate"
    AUTHORITY = "CA certificate"
    RESPONDER = "responder"
    HOLDER = "holder"


ROLES: Mapping[Role, Said] = MappingProxyType(
    {
        Role.ANCHOR: Said("trust anchor", "信頼の起点"),
        Role.CROSS: Said("cross-certificate", "相互認証証明書"),
        Role.LINK: Said("link certificate", "リンク証明書"),
        Role.AUTHORITY: Said("CA certificate", "認証局証明書"),
        Role.RESPONDER: Said("status responder", "OCSPレスポンダ"),
        Role.HOLDER: Said("holder", "利用者"),
    }
)


class Word(StrEnum):
    """A word or phrase of an explanation; ``{}`` is where a number or name goes."""

    VERIFICATION = "verification"
    AT = "at"
    ACCEPTED = "accepted"
    VALID_FOR = "valid for"
    CANDIDATE = "candidate"
    DECIDES = "decides"
    HIDDEN = "hidden"
    NO_CANDIDATE = "no candidate"
    SPENT = "spent"
    STEP = "step"
    STEPS = "steps"
    CERTIFICATE = "certificate"
    POLICIES = "policies"
    ANY_POLICY = "any policy"
    NO_POLICY = "no policy"
    LOST_AT = "lost at"
    MORE = "more"
    ASKED = "asked"
    LIST = "list"
    DELTA = "delta"
    ANSWER = "answer"
    ENDED_HERE = "ended here"
    EXPLICIT = "explicit policy"
    MAPPING = "mapping"
    ANY_COUNTS = "any counts"
    NOT_DRAWN = "not drawn"


WORDS: Mapping[Word, Said] = MappingProxyType(
    {
        Word.VERIFICATION: Said("Verification of", "検証対象:"),
        Word.AT: Said("at", "検証時点"),
        Word.ACCEPTED: Said("accepted policies", "受け入れるポリシー"),
        Word.VALID_FOR: Said("valid for", "有効なポリシー"),
        Word.CANDIDATE: Said("Candidate {}", "候補 {}"),
        Word.DECIDES: Said("this one decides", "この候補で判定"),
        Word.HIDDEN: Said("{} more candidates were judged and are not shown", "ほか {} 件の候補は表示を省略"),
        Word.NO_CANDIDATE: Said("There is no candidate path.", "候補となる経路はありません。"),
        Word.SPENT: Said(
            "A limit was reached; more candidates may exist.", "上限に達したため、候補がほかにもあり得ます。"
        ),
        Word.STEP: Said("step", "段"),
        Word.STEPS: Said("{} certificates", "証明書 {} 枚"),
        Word.CERTIFICATE: Said("certificate", "証明書"),
        Word.POLICIES: Said("policies valid here", "この段で有効なポリシー"),
        Word.ANY_POLICY: Said("any policy", "任意のポリシー"),
        Word.NO_POLICY: Said("no policy", "有効なポリシーなし"),
        Word.LOST_AT: Said("lost at step {}", "{} 段目で除外"),
        Word.MORE: Said("{} more", "ほか {} 件"),
        Word.ASKED: Said("asked", "参照"),
        Word.LIST: Said("list", "失効リスト"),
        Word.DELTA: Said("delta list", "差分失効リスト"),
        Word.ANSWER: Said("OCSP answer", "OCSP応答"),
        Word.ENDED_HERE: Said("ended at step {}", "{} 段目で終了"),
        Word.EXPLICIT: Said("a policy is needed", "ポリシー必須"),
        Word.MAPPING: Said("mapping is forbidden", "マッピング禁止"),
        Word.ANY_COUNTS: Said("anyPolicy does not count", "anyPolicy無効"),
        Word.NOT_DRAWN: Said("The policy graph cannot be drawn: {}", "ポリシーグラフを描けません: {}"),
    }
)

for _table, _kind in ((VERDICTS, Verdict), (REASONS, Reason), (ROLES, Role), (WORDS, Word)):
    assert set(_table) == set(_kind), f"each {_kind.__name__} needs its words"
