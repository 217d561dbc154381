"""One resident's life: applied for, issued, signed, moved, renewed in the new town, a late notice, the end.

Everything goes through the served product as its clients use it: windows and the register over HTTP with client
keys, verifiers with nothing but what is published. Each verdict of ours stands beside ``openssl verify`` (lists) and
``openssl ocsp`` (status), and all three have to say what the story expects.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from ca.clock import system_clock
from ca.model import CertificateId, CertificateKind, ResidentCode, Scope
from front.assembly import open_world
from front.demo.openssl import OpensslJudge, from_url, key_and_request, run
from front.demo.people import invented_code
from front.demo.served import Api, feed_file, served
from front.demo.stage import Stage

OLD_TOWN, NEW_TOWN = "131016", "141038"
_LISTS_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One question, and what was expected, and said by us, by OpenSSL with lists, and by OpenSSL over OCSP."""

    question: str
    expected: str
    ours: str
    openssl_verify: str
    openssl_ocsp: str

    @property
    def agreed(self) -> bool:
        """Whether everybody says what is expected."""
        said = {self.ours, self.openssl_verify, self.openssl_ocsp} - {"-"}
        return said == {self.expected}


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate of the story, with its file, its key's file and the list that would name it."""

    id: CertificateId
    kind: CertificateKind
    scope: Scope
    file: Path
    key: Path


@dataclass
class Story:
    """The world, its clients, and what was said so far."""

    stage: Stage
    port: int
    rows: list[Row] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    code: ResidentCode = field(default_factory=lambda: invented_code(1))
    sequence: int = 0

    policies: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the holder's and the verifiers' files lie."""
        return self.stage.folder

    @property
    def url(self) -> str:
        """Where the world is served."""
        return f"http://127.0.0.1:{self.port}"

    def clock(self) -> datetime:
        """The moment now; the story's world runs on the machine's time."""
        return system_clock()

    def tell(self) -> list[Row]:
        """Live it through."""
        self.stage.clear()
        self._chapter("1", "A nation from one file")
        for row in self.stage.command("init", "--edition", "japan-2014", "--url", self.url)["rows"]:
            self._say(f"{row['role']}: {row['authorities']} authorities, {row['lists']} lists")
        with open_world(self.stage.home, self.stage.secret.read_text().strip) as world:
            self.policies = world.plan.trusted_policies
        self._chapter("2", "Officers and the register get client keys")
        for town in (OLD_TOWN, NEW_TOWN):
            self._officer(f"reception-{town}", town, "reception")
            self._officer(f"examiner-{town}", town, "examiner")
        self._officer("approver", "centre", "approver")
        self._officer("operator", "centre", "operator")
        self.keys["register"] = self.stage.command("client", "add", "register")["key"]
        with served(self.stage.home, self.stage.secret, self.port, self.folder / "server.log"):
            self._live()
        return self.rows

    def _live(self) -> None:
        self._chapter("3", "At the window in Chiyoda-ku: both kinds are applied for and issued")
        signature, authentication = self._apply(
            OLD_TOWN,
            "東京都千代田区試験町1-2-3",
            (CertificateKind.SIGNATURE, CertificateKind.USER_AUTHENTICATION),
        )
        self._verdict("the signature certificate, new", "good", signature)
        self._verdict("the user-authentication certificate, new", "good", authentication)

        self._chapter("4", "A document is signed, and the signature verified")
        document = self.folder / "document.txt"
        document.write_text("架け橋\n")
        signed_at = self.clock()
        cms = self._sign(document, signature)
        self._verdict("the document's signature, made before the move", "good", signature, cms=cms)
        earlier = self._list_number(signature)

        self._chapter("5", "She moves to Yokohama; the register tells")
        moved_at = self.clock()
        self._event("moved-out", moved_at)
        self._wait_for_list(signature, earlier)
        self._verdict("the signature certificate after the move", "revoked", signature)
        self._verdict("the user-authentication certificate after the move", "good", authentication)
        late = self._sign(document, signature)
        self._verdict("a signature made after the move", "revoked", signature, cms=late)
        self._verdict(
            "the document of before, at its own time",
            "good",
            signature,
            cms=cms,
            at=signed_at,
            number=earlier,
        )

        self._chapter("6", "A new signature certificate at the window in Yokohama")
        (renewed,) = self._apply(NEW_TOWN, "神奈川県横浜市西区試験町4-5", (CertificateKind.SIGNATURE,))
        self._verdict("the new signature certificate", "good", renewed)

        self._chapter("7", "A late notice of that move must not end it")
        self._event("moved-within", moved_at)
        time.sleep(2)  # long enough for the worker to publish, had there been something to publish
        self._verdict("the new signature certificate after the late notice", "good", renewed)

        self._chapter("8", "She dies; both kinds end, wherever they were issued")
        numbers = [self._list_number(certificate) for certificate in (renewed, authentication)]
        self._event("died", self.clock())
        for certificate, number in zip((renewed, authentication), numbers, strict=True):
            self._wait_for_list(certificate, number)
        self._verdict("the new signature certificate after the death", "revoked", renewed)
        self._verdict("the user-authentication certificate after the death", "revoked", authentication)

    # What the clients do.

    def _officer(self, name: str, office: str, role: str) -> None:
        self.keys[name] = self.stage.command("officer", "add", name, "--office", office, "--role", role)[
            "key"
        ]

    def _apply(self, town: str, address: str, kinds: tuple[CertificateKind, ...]) -> list[Held]:
        """Key pairs as in a card, an application at a window, and the certificates that come of it."""
        requests = {kind: key_and_request(self.folder, f"{town}-{kind}") for kind in kinds}
        for kind in kinds:
            self._say(f"openssl req -new -newkey rsa:2048 -sha256 ... -out {town}-{kind}.csr", command=True)
        resident = {
            "code": self.code,
            "name": "試験\u3000花子",
            "sex": "female",
            "birth_date": "1985-04-01",
            "address": address,
            "municipality": town,
        }
        filing = {"resident": resident, "csrs": {kind: path.read_text() for kind, path in requests.items()}}
        case = self._call(f"reception-{town}", "/api/cases", filing)["case"]
        self._call(f"examiner-{town}", f"/api/cases/{case}/examination")
        self._call("approver", f"/api/cases/{case}/approval")
        answer = self._call("operator", f"/api/cases/{case}/issuance")
        return [self._held(town, certificate) for certificate in answer["certificates"]]

    def _held(self, town: str, certificate: dict[str, Any]) -> Held:
        kind = CertificateKind(certificate["kind"])
        file = self.folder / f"{town}-{kind}.pem"
        file.write_text(certificate["pem"])
        self._say(f"{kind}: {certificate['certificate']}, until {certificate['not_after']}")
        return Held(
            id=CertificateId.parse(certificate["certificate"]),
            kind=kind,
            scope=Scope(certificate["list"].partition("/")[2]),
            file=file,
            key=self.folder / f"{town}-{kind}.key",
        )

    def _sign(self, document: Path, held: Held) -> Path:
        """A detached CMS signature over a document, by OpenSSL as the holder's software."""
        self._say(f"openssl cms -sign -in {document.name} -signer {held.file.name} ...", command=True)
        self.sequence += 1
        cms = self.folder / f"{document.stem}-{self.sequence}.p7s"
        run(
            "cms", "-sign", "-binary", "-in", document, "-signer", held.file, "-inkey", held.key,
            "-outform", "DER", "-out", cms,
        )  # fmt: skip
        return cms

    def _event(self, kind: str, effective: datetime) -> None:
        """A feed file of one event, as a municipality's system sends it."""
        self.sequence += 1
        now = self.clock()
        event = {
            "event": f"demo-{self.sequence}",
            "kind": kind,
            "code": self.code,
            "occurred": effective.isoformat(),
            "notified": now.isoformat(),
            "effective": effective.isoformat(),
        }
        answer = self._call("register", "/api/events", feed_file("demo", self.sequence, [event]))
        for outcome in answer["outcomes"]:
            self._say(f"{kind}: {outcome['outcome']}")
            for order in outcome["orders"]:
                self._say(f"  {order['certificate']}, {order['reason']}")

    def _call(self, client: str, path: str, body: dict[str, Any] | bytes | None = None) -> dict[str, Any]:
        self._say(f"POST {path}  (client key of {client})", command=True)
        return Api(self.url, self.keys[client]).post(path, body)

    # What the verifiers do.

    def _verdict(
        self,
        question: str,
        expected: str,
        held: Held,
        *,
        cms: Path | None = None,
        at: datetime | None = None,
        number: int | None = None,
    ) -> None:
        judge = OpensslJudge.over(from_url(self.url), self.policies, self.folder / "judge")
        moment = at or self.clock()
        verdict = judge.verify(held.file, held.id.generation, held.scope, at=moment, number=number)
        theirs = "good" if verdict.accepted else verdict.words.removeprefix("error 23: certificate ")
        status = "-"
        if cms is not None:
            # The mathematics of the signature; the signer's certificate was judged above.
            document = self.folder / "document.txt"
            done = run(
                "cms", "-verify", "-binary", "-noverify", "-inform", "DER", "-in", cms,
                "-content", document, "-certfile", held.file, "-out", "/dev/null", check=False,
            )  # fmt: skip
            theirs = theirs if done.returncode == 0 else "bad signature"
        if at is None:  # status is asked about now; the past stands in lists
            status = judge.ocsp(held.file, held.id.generation, f"{self.url}/ocsp/{held.id.generation}")
        row = Row(question, expected, self._ours(held, at), theirs, status)
        self.rows.append(row)
        mark = "[green]agreed[/]" if row.agreed else "[red]NOT SO[/]"
        self.stage.console.print(
            f"   {question}: [bold]{row.ours}[/] | openssl verify: {theirs} | openssl ocsp: {status}  {mark}"
        )

    def _ours(self, held: Held, at: datetime | None) -> str:
        """``kakehashi verify`` as a stranger would run it: with a URL, an anchor and policies."""
        anchor = self.stage.home / "repository" / "g" / "gpki-bca.g1" / "self.cer"
        arguments = ["verify", str(held.file), "--from", self.url, "--anchor", str(anchor), "--json"]
        for policy in self.policies:
            arguments += ["--policy", policy]
        if at is not None:
            arguments += ["--at", at.isoformat()]
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            [sys.executable, "-m", "front.cli", *arguments], capture_output=True, text=True, check=False
        )
        answer = json.loads(done.stdout or done.stderr)
        return "good" if answer["verdict"] == "valid" else str(answer["reason"])

    def _list_number(self, held: Held) -> int:
        read = from_url(self.url)
        index = json.loads(read(f"g/{held.id.generation}/crl/{held.scope}/index.json"))
        return int(index["numbers"][-1])

    def _wait_for_list(self, held: Held, earlier: int) -> None:
        """The worker publishes within seconds of the acknowledgement."""
        deadline = time.monotonic() + _LISTS_SECONDS
        while self._list_number(held) == earlier:
            if time.monotonic() > deadline:
                raise RuntimeError("the list did not follow; the server's log says why")
            time.sleep(0.1)

    # How it is told.

    def _chapter(self, number: str, title: str) -> None:
        self.stage.chapter(f"{number}. {title}")

    def _say(self, words: str, *, command: bool = False) -> None:
        prefix = "$ " if command else "  "
        self.stage.console.print(f" {prefix}{words}", style="cyan" if command else None, markup=False)


def show(rows: list[Row], console: Console) -> None:
    """The verdicts once more, as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("question", "ours", "openssl verify", "openssl ocsp", ""):
        table.add_column(name)
    for row in rows:
        table.add_row(
            row.question,
            row.ours,
            row.openssl_verify,
            row.openssl_ocsp,
            "[green]agreed[/]" if row.agreed else f"[red]expected {row.expected}[/]",
        )
    console.print(table)
