"""What each clause demands that a path, a list or an answer can break, in one sentence of our own, in both languages.

The keys are the clauses as errors name them. A test reads the sources and finds each of them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bridge.relying.telling.words import Said

CLAUSES: Mapping[str, Said] = MappingProxyType(
    {
        "RFC 5280 4.1.1.2": Said(
            "The signature algorithm named inside what was signed and beside the signature is the same.",
            "署名対象の内側と外側に記された署名アルゴリズムは一致していなければなりません。",
        ),
        "RFC 5280 4.1.2.1": Said(
            "A certificate with extensions is of version 3.",
            "拡張を含む証明書はバージョン3でなければなりません。",
        ),
        "RFC 5280 4.1.2.4": Said(
            "A certificate names its issuer.",
            "証明書には発行者名がなければなりません。",
        ),
        "RFC 5280 4.1.2.7": Said(
            "A certificate holds a public key that can be used.",
            "証明書には使用できる公開鍵がなければなりません。",
        ),
        "RFC 5280 4.2": Said(
            "An extension stands in a certificate once, and one that is critical must be understood by the verifier.",
            "同じ拡張は一度しか現れず、クリティカルな拡張は検証者が処理できなければなりません。",
        ),
        "RFC 5280 4.2.1": Said(
            "Extensions are written as the standard defines them.",
            "拡張は規格の定義どおりに記述されていなければなりません。",
        ),
        "RFC 5280 4.2.1.3": Said(
            "The key that signed an answer may make signatures.",
            "OCSP応答に署名した鍵は、署名が許されていなければなりません。",
        ),
        "RFC 5280 4.2.1.10": Said(
            "A name constraint that is critical and cannot be processed refuses the path.",
            "処理できないクリティカルな名前制約がある経路は拒否されます。",
        ),
        "RFC 5280 4.2.1.12": Said(
            "A key is used for the purposes alone that its certificate names.",
            "鍵は、証明書に記された目的にのみ使用できます。",
        ),
        "RFC 5280 5.1.1.2": Said(
            "The signature algorithm named inside a list and beside its signature is the same.",
            "失効リストの内側と外側に記された署名アルゴリズムは一致していなければなりません。",
        ),
        "RFC 5280 5.1.2.1": Said(
            "A list with extensions is of version 2.",
            "拡張を含む失効リストはバージョン2でなければなりません。",
        ),
        "RFC 5280 5.1.2.4": Said(
            "A list says when it was issued, and speaks of no earlier moment.",
            "失効リストは、その発行日時より前の時点については判断に使えません。",
        ),
        "RFC 5280 5.1.2.5": Said(
            "A list says when the next one comes.",
            "失効リストには次回更新日時がなければなりません。",
        ),
        "RFC 5280 5.2": Said(
            "An extension stands in a list once, and one that is critical must be understood by the verifier.",
            "失効リストの拡張は一度しか現れず、クリティカルな拡張は検証者が処理できなければなりません。",
        ),
        "RFC 5280 5.2.1": Said(
            "A list names the key that signed it.",
            "失効リストは、署名した鍵を示していなければなりません。",
        ),
        "RFC 5280 5.2.3": Said(
            "Lists are numbered, and the numbers rise.",
            "失効リストには番号があり、その番号は増加しなければなりません。",
        ),
        "RFC 5280 5.2.4": Said(
            "A delta list is marked as one, and is used only together with a complete list.",
            "差分失効リストはその旨が示され、完全な失効リストと併せてのみ使用されます。",
        ),
        "RFC 5280 5.2.4 (c)": Said(
            "A delta list is added to a complete list that is not older than the one it builds on.",
            "差分失効リストは、その基準以降の完全な失効リストにのみ適用できます。",
        ),
        "RFC 5280 5.3": Said(
            "A list with an entry that has an unknown critical extension is not used.",
            "未知のクリティカルな拡張を持つ項目を含む失効リストは使用されません。",
        ),
        "RFC 5280 5.3.1": Said(
            "Only a delta list takes a certificate off, and only one that was on hold.",
            "失効の取消しは差分失効リストでのみ、一時停止中の証明書に限り示されます。",
        ),
        "RFC 5280 6.1": Said(
            "A path begins with a trust anchor and ends with the certificate to verify.",
            "経路は信頼の起点から始まり、検証対象の証明書で終わらなければなりません。",
        ),
        "RFC 5280 6.1.3": Said(
            "Every certificate of a path is processed in full.",
            "経路上のすべての証明書は完全に処理されなければなりません。",
        ),
        "RFC 5280 6.1.3 (a)(1)": Said(
            "The signature of a certificate is checked with the key of the one above it.",
            "証明書の署名は、上位の証明書の鍵で検証されます。",
        ),
        "RFC 5280 6.1.3 (a)(2)": Said(
            "The moment lies within the validity of every certificate.",
            "検証時点は、すべての証明書の有効期間内でなければなりません。",
        ),
        "RFC 5280 6.1.3 (b)-(c)": Said(
            "Names lie within the subtrees that the CAs above permit, and in none that they exclude.",
            "名前は、上位の認証局が許可した範囲内にあり、除外した範囲に含まれてはなりません。",
        ),
        "RFC 5280 6.1.3 (f)": Said(
            "Where a policy is needed, one is valid at every step.",
            "ポリシーが必須の場合、各段で有効なポリシーがなければなりません。",
        ),
        "RFC 5280 6.1.3 (f), 6.1.5 (g)": Said(
            "The path is valid, from the anchor to its end, for a policy that the verifier accepts.",
            "経路は、起点から終点まで、検証者が受け入れるポリシーについて有効でなければなりません。",
        ),
        "RFC 5280 6.1.4 (a)": Said(
            "No mapping is made from or to anyPolicy.",
            "anyPolicyを対象とするポリシーマッピングは認められません。",
        ),
        "RFC 5280 6.1.4 (k)": Said(
            "Every certificate that stands above another is a CA's.",
            "他の証明書の上位に立つ証明書は、認証局のものでなければなりません。",
        ),
        "RFC 5280 6.1.4 (l)": Said(
            "No more CA certificates follow than the path length constraints allow.",
            "後続の認証局証明書の数は、パス長制約を超えてはなりません。",
        ),
        "RFC 5280 6.1.4 (n)": Said(
            "The key of a certificate that stands above another may sign certificates.",
            "上位に立つ証明書の鍵は、証明書への署名が許されていなければなりません。",
        ),
        "RFC 5280 6.1.5 (g)": Said(
            "At the end of the path, a policy is left that the verifier accepts.",
            "経路の終点で、検証者が受け入れるポリシーが残っていなければなりません。",
        ),
        "RFC 5280 6.3.3": Said(
            "Whether a certificate was revoked is learnt from its issuer's lists.",
            "証明書の失効は、発行者の失効リストによって確認されます。",
        ),
        "RFC 5280 6.3.3 (a)": Said(
            "The list is current at the moment.",
            "失効リストは、検証時点で有効期間内でなければなりません。",
        ),
        "RFC 5280 6.3.3 (b)(1)": Said(
            "The list is issued by the certificate's issuer, or by whom the certificate names.",
            "失効リストは、証明書の発行者または証明書が指定した発行者によるものでなければなりません。",
        ),
        "RFC 5280 6.3.3 (b)(2)": Said(
            "The list is for this kind of certificates.",
            "失効リストは、この種類の証明書を対象としていなければなりません。",
        ),
        "RFC 5280 6.3.3 (b)(2)(i)": Said(
            "The list is that of the certificate's distribution point.",
            "失効リストは、証明書の配布点のものでなければなりません。",
        ),
        "RFC 5280 6.3.3 (c)(1)": Said(
            "A delta list is by the issuer of the complete one.",
            "差分失効リストの発行者は、完全な失効リストと同じでなければなりません。",
        ),
        "RFC 5280 6.3.3 (c)(2)": Said(
            "A delta list is of the scope of the complete one.",
            "差分失効リストの対象範囲は、完全な失効リストと同じでなければなりません。",
        ),
        "RFC 5280 6.3.3 (c)(3)": Said(
            "A delta list is of the key of the complete one.",
            "差分失効リストの署名鍵は、完全な失効リストと同じでなければなりません。",
        ),
        "RFC 5280 6.3.3 (f)": Said(
            "The key that signed the list may sign lists, and is reached by a valid path from the same anchor.",
            "失効リストの署名鍵は失効リストへの署名を許され、同じ起点から有効な経路で確認できなければなりません。",
        ),
        "RFC 5280 6.3.3 (l)": Said(
            "The lists together tell of every reason; what none tells of is unknown.",
            "すべての失効理由が失効リストで確認できなければ、失効状態は不明です。",
        ),
        "RFC 5280 8": Said(
            "A certificate's addresses lead a verifier to public servers alone.",
            "証明書に記されたアドレスでは、公開されたサーバーにのみ接続します。",
        ),
        "RFC 6960 2.2": Said(
            "An answer says good or revoked; unknown is no answer.",
            "OCSP応答は「有効」または「失効」を示さなければならず、「不明」では判断できません。",
        ),
        "RFC 6960 3.2": Said(
            "An answer tells of the certificate that was asked about.",
            "OCSP応答は、照会した証明書についてのものでなければなりません。",
        ),
        "RFC 6960 4.2.1": Said(
            "A responder's answer is a basic response, and no error.",
            "OCSP応答はエラーではなく、基本形式でなければなりません。",
        ),
        "RFC 6960 4.2.2.1": Said(
            "The moment lies between the two times of an answer.",
            "検証時点は、OCSP応答の更新日時と次回更新日時の間でなければなりません。",
        ),
        "RFC 6960 4.2.2.2": Said(
            "An answer is signed by the issuer, or by a key that the issuer certified for answers.",
            "OCSP応答の署名者は、発行者か、発行者が応答用に証明した鍵でなければなりません。",
        ),
        "RFC 6960 4.2.2.2.1": Said(
            "The certificate of who signs answers is not revoked.",
            "OCSP応答の署名者の証明書は、失効していてはなりません。",
        ),
        "RFC 6960 4.4": Said(
            "An extension of an answer that is critical must be understood by the verifier.",
            "OCSP応答のクリティカルな拡張は検証者が処理できなければなりません。",
        ),
        "RFC 9110 4.2.1": Said(
            "What a certificate names as a web address is one.",
            "証明書が示すURLは、正しい形式でなければなりません。",
        ),
        "RFC 9618 3.4": Said(
            "Policies are processed within a limit.",
            "ポリシーの処理には上限があります。",
        ),
    }
)
