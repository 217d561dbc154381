"""``kakehashi batch``: what a card factory may send, and what it gets; what is refused before anything is done."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import random
import re
import signal
import sqlite3
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest
from asn1crypto import csr, pem
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.errors import BadInput, KakehashiError, StorageFailed
from ca.issuing.batch import GROUP, BadRow, GroupDone
from ca.model import RESIDENT_KINDS, CertificateId, OfficerId
from ca.store.batches import BatchRecord
from front.assembly import open_world
from front.batches import pool, unpacking
from front.batches.pool import Job, issue_all
from front.batches.rows import read_row
from front.batches.source import COLUMNS, PROBLEMS, TABLE, open_source, survey
from front.batches.unpacking import laid_out
from tests import batch_files as files
from tests import rings
from tests.batch_files import results, row, sent, table, write_folder, write_zip
from tests.commands import Outcome, done, kakehashi, refused, run, tree
from tests.components import require
from tests.small_edition import OFFICERS, SEED
from tests.terminal import at_terminal

ROLES = ("--approver", "tanaka", "--operator", "ito")


def batch(home: Path, source: Path, *options: object, command=run) -> Outcome:
    """The command with one process, unless the options say otherwise; results go beside the source."""
    return command(*words_of(home, source), *options)


def words_of(home: Path, source: Path) -> tuple[object, ...]:
    return ("batch", source, *ROLES, "--out", source.with_suffix(".out"), "--home", home, "--processes", 1)


# What is sent, and what comes of it.


def odd_rows() -> list[files.Row]:
    """Seven holders, of whom some get nothing; row 5 asks for one kind, row 6 for none."""
    rows = [row(number) for number in range(7)]
    rows[1]["birth_date"] = "2020-01-01"
    rows[2]["signature_csr"] = "missing.csr"
    rows[3]["sex"] = "unknown"
    rows[4]["signature_csr"] = ""
    rows[5]["signature_csr"] = rows[5]["user_authentication_csr"] = ""
    rows[6]["reference"] = 'カード "7", a'
    return rows


EXPECTED = [
    ("1", "signature", "issued", ""),
    ("1", "user-authentication", "issued", ""),
    ("2", "signature", "refused", "under 15"),
    ("2", "user-authentication", "refused", "under 15"),
    ("3", "signature", "refused", "row 3, signature request: "),
    ("3", "user-authentication", "refused", "row 3, signature request: "),
    ("4", "signature", "refused", "row 4, sex: is not as it should be"),
    ("4", "user-authentication", "refused", "row 4, sex: is not as it should be"),
    ("5", "user-authentication", "issued", ""),
    ("6", "signature", "refused", "row 6: names no request"),
    ("6", "user-authentication", "refused", "row 6: names no request"),
    ("7", "signature", "issued", ""),
    ("7", "user-authentication", "issued", ""),
]


def odd_files() -> dict[str, bytes]:
    rows = odd_rows()
    named = [{**one, "signature_csr": one["signature_csr"].replace("missing.csr", "")} for one in rows]
    return {TABLE: table(rows), **files.requests(named)}


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_every_row_has_its_results(staffed_world: Path, tmp_path: Path, write) -> None:
    source = write(tmp_path / "cards", odd_files())
    told = done(batch(staffed_world, source, "--json")).json
    out = tmp_path / "cards.out"
    assert told == {
        "batch": told["batch"], "holders": 7, "answered": 7, "issued_now": 3, "refused_now": 4,
        "certificates_now": 5, "results": str(out / "results.csv"),
        "approver": "tanaka", "operator": "ito", "approved_at": told["approved_at"],
    }  # fmt: skip
    found = results(out)
    assert [(one["row"], one["kind"], one["outcome"]) for one in found] == [one[:3] for one in EXPECTED]
    for one, (*_, words) in zip(found, EXPECTED, strict=True):
        assert words in one["problem"]
        assert "missing.csr" not in one["problem"], "the name may be anything that the sender has"
        assert bool(words) == bool(one["problem"])
        issued = one["outcome"] == "issued"
        assert one["file"] == (f"certificates/{one['row']}-{one['kind']}.pem" if issued else "")
        assert bool(one["certificate"]) == issued
        assert one["reference"] == odd_rows()[int(one["row"]) - 1]["reference"]
    there = {f"certificates/{path.name}" for path in (out / "certificates").iterdir()}
    assert there == {one["file"] for one in found} - {""}
    require_right(staffed_world, source, found)
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (out, out / "certificates")} == {0o700}
    # Again: nothing more, and the same results.
    before = tree(out)
    again = done(batch(staffed_world, source, "--json")).json
    assert again == {**told, "issued_now": 0, "refused_now": 0, "certificates_now": 0}
    assert tree(out) == before


def require_right(home: Path, source: Path, found: list[files.Row]) -> None:
    """OpenSSL takes each certificate, and each is on the key of its own request."""
    sent_files = odd_files()
    with open_world(home, lambda: "") as world:
        (home / "anchors").mkdir()
        for generation in world.stores.generations():
            (own,) = world.stores.certificates([CertificateId(generation.id, generation.serial)])
            path = home / "anchors" / f"{generation.id}.pem"
            path.write_bytes(pem.armor("CERTIFICATE", own.encoded))
    rows = {str(number): one for number, one in enumerate(odd_rows(), 1)}
    for one in found:
        if one["outcome"] != "issued":
            continue
        path = source.with_suffix(".out") / one["file"]
        generation, _, serial = one["certificate"].partition(":")
        openssl(
            "verify",
            "-x509_strict",
            "-no_check_time",
            "-CAfile",
            home / "anchors" / f"{generation}.pem",
            path,
        )
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        assert certificate.serial_number == int(serial, 16)
        column = "signature_csr" if one["kind"] == "signature" else "user_authentication_csr"
        request = csr.CertificationRequest.load(sent_files[rows[one["row"]][column]])
        asked = request["certification_request_info"]["subject_pk_info"].dump()
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert key == asked


def openssl(*words: object) -> None:
    ended = subprocess.run(
        [require("openssl"), *map(str, words)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_more_processes_than_groups_give_the_same(staffed_world: Path, tmp_path: Path) -> None:
    rows = [row(number) for number in range(3)]
    # Rows that cost nothing fill a second group.
    rows += [
        {**row(0), "reference": f"x{number}", "signature_csr": "", "user_authentication_csr": ""}
        for number in range(GROUP)
    ]
    source = write_zip(tmp_path / "cards", sent(rows))
    told = done(batch(staffed_world, source, "--json", "--processes", 3)).json
    assert (told["issued_now"], told["refused_now"], told["certificates_now"]) == (3, GROUP, 6)
    found = results(tmp_path / "cards.out")
    assert [int(one["row"]) for one in found] == sorted([*range(1, GROUP + 4)] * 2)
    assert [one["outcome"] for one in found] == ["issued"] * 6 + ["refused"] * 2 * GROUP


def test_columns_in_any_order_with_a_mark_and_other_line_ends(staffed_world: Path, tmp_path: Path) -> None:
    """As spreadsheets write it: a byte order mark, CR LF, every field quoted, an empty line at the end."""
    one = row(0, name='試験,"花子"')
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS[::-1], quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerow(one)
    octets = b"\xef\xbb\xbf" + text.getvalue().encode() + b"\r\n"
    source = write_folder(tmp_path / "cards", {**sent([one]), TABLE: octets})
    assert done(batch(staffed_world, source, "--json")).json["issued_now"] == 1


def test_it_is_told_to_people_too(staffed_world: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "cards", sent([row(0)]))
    told = done(batch(staffed_world, source, command=kakehashi))
    assert "issued now        1" in told.stdout
    assert told.stderr == "", "no bar is drawn where nobody looks"


def test_at_a_terminal_a_bar_tells_how_far_it_is(staffed_world: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "cards", odd_files())
    for refused_now in (4, 0):  # once with work to do, once with nothing left but to write the results
        status, shown = at_terminal(*words_of(staffed_world, source))
        assert status == 0, shown
        assert re.search(rf"holders .*7/7 .* {refused_now} refused", shown), shown
        assert re.search(r"results .*13/", shown), shown
        assert len(results(tmp_path / "cards.out")) == len(EXPECTED)


# What is refused before anything is done.

GOOD = table([row(0)])
HEADER, LINE = GOOD.splitlines(keepends=True)

BROKEN: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "", "has no rows"),
    "a mark alone": (b"\xef\xbb\xbf", " line 1", "its columns are not the known ones"),
    "a header alone": (HEADER, "", "has no rows"),
    "no header": (LINE, " line 1", "its columns are not the known ones"),
    "a column missing": (GOOD.replace(b"sex,", b"", 1), " line 1", "'sex'"),
    "a column too many": (GOOD.replace(b"sex,", b"sex,age,", 1), " line 1", "'age'"),
    "a column twice": (GOOD.replace(b"sex,", b"name,", 1), " line 1", "'sex'"),
    "columns with spaces": (GOOD.replace(b",", b", ", 11), " line 1", "' address'"),
    "semicolons": (GOOD.replace(b",", b";"), " line 1", "its columns are not the known ones"),
    "a field too few": (HEADER + LINE + LINE.replace(b",,", b",", 1), " line 3", "has 11 fields for 12 columns"),
    "a field too many": (HEADER + b"," + LINE, " line 2", "has 13 fields for 12 columns"),
    "not UTF-8": (HEADER + LINE * 300 + LINE.replace(b"card", b"\x83J"), " line 302", "is not UTF-8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), " line 1", "is not UTF-8"),
    "UTF-16 without a mark": (GOOD.decode().encode("utf-16-be"), " line 1", "NUL"),
    "a NUL": (HEADER + LINE.replace(b"card", b"\0ard"), " line 2", "NUL"),
    "a lone carriage return": (HEADER + LINE.replace(b"card", b"ca\rd"), " line 2", "carriage return"),
    "carriage returns alone": (GOOD.replace(b"\n", b"\r"), " line 1", "carriage return"),
    "a quotation mark that is not closed": (HEADER + b'"' + LINE + LINE, " line 2", "is not CSV"),
    "a quotation mark in the middle": (HEADER + LINE.replace(b"card-0", b'"card"-0'), " line 2", "is not CSV"),
    "a row over two lines": (HEADER + LINE.replace(b"card-0", b'"card\n0"'), " line 2", "is not CSV"),
    "a long field": (HEADER + LINE.replace(b"card", b"x" * 5000), " line 2", "is not CSV: field larger"),
    "a long line": (HEADER + LINE.replace(b"card", b"x" * 70_000), " line 2", "is longer than 65536 octets"),
    "a program": (b"\x7fELF" + bytes(100), " line 1", "NUL"),
}  # fmt: skip


@pytest.mark.parametrize("write", [write_folder, write_zip])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, name: str, write) -> None:
    octets, line, words = BROKEN[name]
    source = write(tmp_path / "cards", {TABLE: octets})
    with pytest.raises(BadInput) as caught:
        survey(open_source(source), str(source))
    assert (caught.value.place, words in caught.value.problem) == (f"{source}, {TABLE}{line}", True)


def test_what_is_broken_changes_nothing(staffed_world: Path, tmp_path: Path) -> None:
    before = tree(staffed_world)
    source = write_folder(tmp_path / "cards", {TABLE: HEADER + b"\xff"})
    refused(batch(staffed_world, source), "holders.csv line 2", "is not UTF-8")
    assert tree(staffed_world) == before
    assert not source.with_suffix(".out").exists()


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (("--approver", "tanaka", "--operator", "tanaka"), ("tanaka is not an operator",)),
        (("--approver", "ito", "--operator", "ito"), ("ito is not an approver",)),
        (("--approver", "suzuki", "--operator", "ito"), ("suzuki is not an approver of the centre",)),
        (("--approver", "nobody", "--operator", "ito"), ("nobody",)),
    ],
)
def test_who_may_not_is_refused(staffed_world: Path, tmp_path: Path, roles, words) -> None:
    source = write_folder(tmp_path / "cards", sent([row(0)]))
    outcome = run("batch", source, *roles, "--out", tmp_path / "out", "--home", staffed_world)
    refused(outcome, *words)
    assert not (tmp_path / "out").exists()


def not_a_zip(path: Path) -> None:
    path.write_bytes(b"PK\3\4 or so")


def no_table(path: Path) -> None:
    write_zip(path, {"other.csv": GOOD})


def in_a_folder(path: Path) -> None:
    write_zip(path, {f"cards/{TABLE}": GOOD})


def encrypted(path: Path) -> None:
    """The mark of encryption set in both headers (APPNOTE 4.4.4), as no packer here can encrypt."""
    write_zip(path, {TABLE: GOOD})
    octets = bytearray(path.read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        octets[octets.index(mark) + place] |= 1
    path.write_bytes(octets)


def packed_with(method: int) -> Callable[[Path], None]:
    return lambda path: write_zip(path, {TABLE: GOOD}, method) and None


def damaged(path: Path) -> None:
    write_zip(path, {TABLE: GOOD * 100})
    octets = bytearray(path.read_bytes())
    octets[60:100] = bytes(40)
    path.write_bytes(octets)


def of_another_sum(path: Path) -> None:
    write_zip(path, {TABLE: HEADER + LINE}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"card-0", b"card-1"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (not_a_zip, "is not a ZIP file"),
        (no_table, "holders.csv: is not in the ZIP file"),
        (in_a_folder, "holders.csv: is not in the ZIP file"),
        (encrypted, "is encrypted or damaged"),
        (packed_with(zipfile.ZIP_BZIP2), "is packed in another way than by deflating"),
        (packed_with(zipfile.ZIP_LZMA), "is packed in another way than by deflating"),
        (damaged, "is damaged"),
        (of_another_sum, "is damaged"),
    ],
)
def test_a_bad_zip_is_refused(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    path = tmp_path / "cards.zip"
    make(path)
    with pytest.raises(BadInput, match=words):
        survey(open_source(path), str(path))


def test_a_directory_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holders\.csv: cannot be read: No such file"):
        survey(open_source(tmp_path), str(tmp_path))


def test_no_octets_of_a_zip_surprise_its_reader(tmp_path: Path) -> None:
    """Any change of a ZIP gives an error of ours, or is read."""
    path, dice = tmp_path / "cards.zip", random.Random(4)
    write_zip(path, sent([row(0), row(1)]))
    whole = path.read_bytes()
    kinds = set()
    for _ in range(min(rings.FUZZ, 20_000) // 5):
        octets = bytearray(whole)
        # The directory at the end is short, and most is decided there.
        start = dice.choice((0, whole.index(b"PK\1\2")))
        for _ in range(dice.randint(1, 4)):
            octets[dice.randrange(start, len(octets))] = dice.choice(
                (0, 0x7F, 0x80, 0xFF, dice.randrange(256))
            )
        path.write_bytes(octets[: dice.choice((len(octets), dice.randrange(len(octets))))])
        try:
            source = open_source(path)
            survey(source, "cards")
            for name in ("0s.csr", "1u.csr"):
                source.request(name, "row 1")
            kinds.add("read")
        except KakehashiError as error:
            kinds.add(error.problem)
    assert len(kinds) > 5


# What is too large is not read.


@contextmanager
def room_for(octets: int) -> Iterator[None]:
    """Let this process have no more than so much memory beyond what it has."""
    import resource  # noqa: PLC0415

    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def zeros(path: Path, name: str, size: int, *, first: bytes = b"", filled: bytes = b"\0") -> Path:
    """A ZIP with an entry that is long only once it is unpacked."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for other, octets in sent([row(0)]).items():
            if other != name:
                archive.writestr(other, octets)
        with archive.open(name, "w", force_zip64=True) as entry:
            entry.write(first)
            for _ in range(size >> 20):
                entry.write(filled * (1 << 20))
    return path


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_a_request_of_hundreds_of_megabytes_is_not_read(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        source = open_source(zeros(tmp_path / "cards.zip", "0s.csr", 256 << 20))
    else:
        write_folder(tmp_path / "cards", sent([row(0)]))
        with (tmp_path / "cards" / "0s.csr").open("wb") as file:
            file.truncate(1 << 30)
        source = open_source(tmp_path / "cards")
    with room_for(48 << 20):
        octets = source.request("0s.csr", "row 1")
    assert len(octets) == 16 * 1024 + 1, "one more than any request has"


@pytest.mark.parametrize(
    ("filled", "words"),
    [
        (b"x", "line 2: is longer than"),
        (b"\0", "line 2: is longer than"),
        (b'"\n",', "line 2: is not CSV"),
        (b",\n", "line 2: has 2 fields"),
    ],
)
def test_a_table_of_many_megabytes_is_read_in_little_room(tmp_path: Path, filled: bytes, words: str) -> None:
    path = zeros(tmp_path / "cards.zip", TABLE, 128 << 20, first=HEADER, filled=filled)
    with room_for(48 << 20), pytest.raises(BadInput, match=words):
        survey(open_source(path), "cards")


def test_rows_are_read_as_they_are_worked_on(staffed_world: Path, tmp_path: Path) -> None:
    """No more than a group a process is in memory."""
    nothing = {**row(0), "signature_csr": "", "user_authentication_csr": ""}
    source = write_folder(tmp_path / "cards", {TABLE: HEADER})
    read = 0

    def rows() -> Iterator[tuple[int, dict[str, str]]]:
        nonlocal read
        for number in range(1, 6 * GROUP):
            read += 1
            yield number, nothing

    moment = datetime(2014, 9, 1, tzinfo=UTC)
    record = BatchRecord("b", 6 * GROUP, OfficerId("tanaka"), OfficerId("ito"), moment)
    job = Job(staffed_world, source, record, "", None)
    answered = 0
    for group in issue_all(job, rows(), 2):
        answered += group.refused
        assert read - answered <= 2 * GROUP
    assert answered == read == 6 * GROUP - 1


# Names that lead elsewhere.


@pytest.mark.parametrize(
    "name",
    [
        "../0s.csr",
        "..",
        ".",
        "/etc/passwd",
        "a/../0s.csr",
        "sub/0s.csr",
        ".hidden",
        "a b",
        "é.csr",
        "x" * 101,
        "C:x",
        TABLE,
        "0s.csr\\",
    ],
)
@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_no_name_leads_out_of_what_was_sent(tmp_path: Path, name: str, write) -> None:
    (tmp_path / "0s.csr").write_bytes(files.request(0))
    source = open_source(write(tmp_path / "cards", sent([row(0)])))
    with pytest.raises(BadInput, match="row 1: its file's name is not"):
        source.request(name, "row 1")


def test_a_name_in_the_table_that_leads_out_refuses_its_row(tmp_path: Path) -> None:
    source = open_source(write_folder(tmp_path / "cards", sent([row(0)])))
    bad = read_row(1, {**row(0), "signature_csr": "../../x"}, source, bytes(32))
    assert isinstance(bad, BadRow)
    assert str(bad.problem).startswith("row 1, signature request: its file's name")
    assert "../x" not in str(bad.problem)


def test_a_code_for_a_name_is_not_shown(tmp_path: Path) -> None:
    code = row(0)["code"]
    for source in (
        open_source(write_folder(tmp_path / "cards", sent([row(0)]))),
        open_source(write_zip(tmp_path / "cards.zip", sent([row(0)]))),
    ):
        bad = read_row(1, {**row(0), "signature_csr": code, "municipality": code}, source, bytes(32))
        assert isinstance(bad, BadRow)
        assert code not in str(bad.problem)
        with pytest.raises(BadInput, match=r"^row 1: ") as caught:
            source.request(code, "row 1")
        assert code not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"code": "1234"}, "resident code"),
        ({"code": ""}, "row 1, code"),
        ({"code": "12345678904"}, "resident code"),
        ({"name": ""}, "row 1, name"),
        ({"name": "x" * 201}, "row 1, name"),
        ({"name": "a\x07"}, "row 1, name"),
        ({"name_substitutes": "01"}, "row 1, name_substitutes"),
        ({"name_substitutes": "2"}, "row 1, name_substitutes"),
        ({"sex": "Female"}, "row 1, sex"),
        ({"birth_date": "1985-02-30"}, "row 1, birth_date"),
        ({"birth_date": "5 May"}, "row 1, birth_date"),
        ({"address": ""}, "row 1, address"),
        ({"municipality": "Tokyo"}, "row 1, municipality"),
        ({"card_expires": "2015-13-01"}, "row 1, card_expires"),
        ({"card_expires": "tomorrow"}, "row 1, card_expires"),
    ],
)
def test_a_field_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path, fields, place: str) -> None:
    source = open_source(write_folder(tmp_path / "cards", sent([row(0)])))
    bad = read_row(1, {**row(0), **fields}, source, bytes(32))
    assert isinstance(bad, BadRow)
    assert bad.kinds == RESIDENT_KINDS
    assert bad.problem.place.startswith(place)
    for text in filter(None, fields.values()):
        assert text not in str(bad.problem)


# What is unpacked, and what is left of it.


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_what_a_kill_left_goes_with_the_next_batch(tmp_path: Path, write) -> None:
    home = tmp_path / "home"
    left = home / "batch-requests-killed"
    left.mkdir(parents=True)
    (left / TABLE).write_bytes(GOOD)
    (home / "store.db").touch()
    source = write(tmp_path / "cards", sent([row(0)]))
    with laid_out(source, home) as folder:
        assert not left.exists()
        assert (folder / TABLE).read_bytes() == GOOD
    assert [path.name for path in home.iterdir()] == ["store.db"]
    assert source.exists()


def test_what_is_handed_in_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "batch-requests-mine", sent([row(0)]))
    with laid_out(source, tmp_path) as folder:
        assert folder == source
    assert (source / TABLE).read_bytes() == GOOD


def test_only_what_a_zip_has_is_remembered_as_bad(tmp_path: Path) -> None:
    """Else a table of names without files would fill the memory."""
    names = {"0s.csr": "damaged", "1s.csr": "not in", "../x": "not in", "2s.csr": "whole"}
    rows = [{**row(0), "signature_csr": name, "user_authentication_csr": ""} for name in names]
    path = write_zip(
        tmp_path / "cards.zip",
        {TABLE: table(rows), "0s.csr": b"mark" * 9, "2s.csr": b"whole"},
        zipfile.ZIP_STORED,
    )
    path.write_bytes(path.read_bytes().replace(b"mark" * 9, b"lark" * 9))
    home = tmp_path / "home"
    home.mkdir()
    with laid_out(path, home) as folder:
        assert json.loads((folder / PROBLEMS).read_bytes()) == {"0s.csr": "is damaged in the ZIP file"}
        source = open_source(folder)
        for name, words in {
            "0s.csr": "is damaged",
            "1s.csr": "was not handed in",
            "../x": "name is not",
        }.items():
            with pytest.raises(BadInput, match=f"^row 1: .*{words}"):
                source.request(name, "row 1")
        assert source.request("2s.csr", "row 4") == b"whole"


def test_who_interrupts_does_not_wait_for_the_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(unpacking, "_work", interrupt_and_go_on)
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), laid_out(write_zip(tmp_path / "cards.zip", {}), home):
            pass
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not (tmp_path / "ended").exists()
    assert multiprocessing.active_children() == []
    assert list(home.iterdir()) == []


def interrupt_and_go_on(path: Path, _folder: Path, _connection: object) -> None:
    os.kill(os.getppid(), signal.SIGUSR1)
    time.sleep(20)
    (path.parent / "ended").touch()


# A certificate that is gone is no refusal.


@pytest.fixture
def split_home(edition_file: Path, tmp_path: Path) -> Path:
    """A home whose Tokyo authority has a database of its own."""
    home = tmp_path / "split"
    words = ("--edition", edition_file, "--authority-database", "jpki-13=sqlite:///tokyo.db")
    done(run("init", *words, "--test-keys", "--seed", SEED, "--home", home))
    for officer in ("tanaka", "ito"):
        office, role = OFFICERS[officer]
        done(run("officer", "add", officer, "--office", office, "--role", role, "--home", home))
    return home


def change(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


GONE = (
    """DELETE FROM certificate_bytes WHERE serial IN
       (SELECT serial FROM certificates WHERE kind IN ('signature', 'user-authentication'))""",
    "DELETE FROM certificates WHERE kind IN ('signature', 'user-authentication')",
)


def test_what_an_older_copy_of_a_database_lacks_is_given_back(split_home: Path, tmp_path: Path) -> None:
    """The same command again does it, and makes nothing a second time."""
    source = write_zip(tmp_path / "cards", sent([row(0)]))
    copy = (split_home / "tokyo.db").read_bytes()
    done(batch(split_home, source))
    found = results(tmp_path / "cards.out")
    (split_home / "tokyo.db").write_bytes(copy)
    told = done(batch(split_home, source, "--json")).json
    assert (told["answered"], told["certificates_now"], told["refused_now"]) == (1, 0, 0)
    assert results(tmp_path / "cards.out") == found
    assert [one["outcome"] for one in found] == ["issued", "issued"]


def test_a_certificate_that_is_gone_is_named(staffed_world: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "cards", sent([row(0)]))
    done(batch(staffed_world, source))
    found = results(tmp_path / "cards.out")
    change(staffed_world / "store.db", *GONE)
    refused(
        batch(staffed_world, source),
        f"certificate {found[0]['certificate']}",
        "Put a copy of that database back",
    )
    assert results(tmp_path / "cards.out") == found, "the table from before stays"


# One batch at a time; and processes that die.


def test_a_second_batch_in_a_home_has_to_wait(staffed_world: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "cards", sent([row(0)]))
    home = os.open(staffed_world, os.O_RDONLY)
    try:
        flock(home, LOCK_EX)
        refused(batch(staffed_world, source), f"home {staffed_world}", "is issuing another batch")
    finally:
        os.close(home)
    assert done(batch(staffed_world, source, "--json")).json["issued_now"] == 1


def test_results_that_cannot_be_written_lose_nothing(staffed_world: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "cards", sent([row(0)]))
    out = tmp_path / "cards.out"
    out.write_text("a file")
    refused(batch(staffed_world, source), str(out), "run the same command again")
    out.unlink()
    told = done(batch(staffed_world, source, "--json")).json
    assert (told["issued_now"], told["answered"]) == (0, 1)
    assert [one["outcome"] for one in results(out)] == ["issued", "issued"]


@pytest.mark.parametrize("when", ["before it has begun", "with a group in hand"])
def test_a_process_that_dies_is_told_clearly(
    staffed_world: Path, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it left unread or unwritten in the pipe."""
    source = write_folder(tmp_path / "cards", {TABLE: HEADER})
    rows = (
        (number, {**row(0), "signature_csr": "", "reference": "x" * 900}) for number in range(1, 3 * GROUP)
    )
    record = BatchRecord(
        "b", 3 * GROUP, OfficerId("tanaka"), OfficerId("ito"), datetime(2014, 9, 1, tzinfo=UTC)
    )
    job = Job(staffed_world, source, record, "", None)
    monkeypatch.setattr(pool, "_work", die_at_once if when == "before it has begun" else die_when_asked)
    with pytest.raises(StorageFailed, match=r"one of its processes died \(exit status -9\)"):
        for _ in issue_all(job, rows, 2):
            pass
    assert multiprocessing.active_children() == []


def die_at_once(_job: Job, _connection: object) -> None:
    os.kill(os.getpid(), 9)


def die_when_asked(_job: Job, connection) -> None:
    connection.send(GroupDone(0, 0, 0, 0))  # it is ready
    connection.poll(None)  # and reads nothing of it
    os.kill(os.getpid(), 9)


def test_a_worker_that_cannot_open_the_home_says_why(staffed_world: Path, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "cards", sent([row(0)]))
    (staffed_world / "keys" / "jpki-13.g1.key.json").unlink()
    refused(batch(staffed_world, source), "jpki-13.g1")
