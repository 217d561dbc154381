"""Where published files come from: folders and servers, right ones and wrong ones. Every server here is a real one."""

import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.relying.finding.fetch import FolderSource, HttpSource
from ca.errors import BadInput
from tests import http_servers as tricks
from tests.http_servers import serving, unused_url
from tests.relying_world import World

LIST = "g/jpki-13.g1/crl/signature-131016.crl"
INDEX = "g/jpki-13.g1/crl/signature-131016/index.json"
SOON = 0.4  # seconds after which a server that hangs is given up, so that the table is quick
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    world = World()
    for _ in range(11):
        world.later_list("jpki-13.g1", "signature-131016")
    folder = world.publish(tmp_path_factory.mktemp("published"))
    (folder / "file").write_bytes(b"0123456789")
    (folder / "other").write_bytes(b"other")
    return folder


def refused(source, path, *words, limit=1000):
    """The file cannot be had, and the error says which file and why."""
    with pytest.raises(BadInput) as caught:
        source.read(path, limit)
    assert caught.value.place == path
    for word in words:
        assert word in caught.value.problem
    return caught.value


# What is right


@pytest.mark.parametrize("base", ["/", "/pki/", "/a/b/"])
def test_a_folder_and_its_server_give_the_same_over_one_connection(base, folder):
    paths = [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]
    ours = FolderSource(folder)
    with serving(folder, base=base) as server, HttpSource(server.url) as theirs:
        for path in paths:
            assert theirs.read(path, MEGABYTE) == ours.read(path, MEGABYTE) == (folder / path).read_bytes()
        assert tuple(theirs.numbers(LIST)) == tuple(ours.numbers(LIST)) == tuple(range(1, 13))
        assert server.connections == 1
    assert len(paths) > 20


def test_a_slash_at_the_end_of_the_base_may_be_left_out(folder):
    with serving(folder, base="/pki/") as server, HttpSource(server.url.rstrip("/")) as source:
        assert source.read("file", 10) == b"0123456789"
        assert source.base == server.url


@pytest.mark.parametrize("source", ["folder", "server"])
def test_the_limit_is_exact(source, folder):
    with serving(folder) as server, HttpSource(server.url) as http:
        asked = FolderSource(folder) if source == "folder" else http
        assert asked.read("file", 10) == b"0123456789"
        refused(asked, "file", "longer than 9 octets", limit=9)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
    ],
)
def test_every_way_to_send_a_body(answer, folder):
    with (
        serving(folder, {"file": lambda handler: handler.raw(answer)}) as server,
        HttpSource(server.url) as source,
    ):
        assert source.read("file", 10) == b"0123456789"
        assert source.read("other", 10) == b"other"


def test_a_connection_that_the_server_ended_is_opened_again(folder):
    def last_answer(handler):
        handler.send_file("file")  # promises to keep the connection, and does not
        handler.close_connection = True

    with serving(folder, {"file": last_answer}) as server, HttpSource(server.url) as source:
        for _ in range(3):
            assert source.read("file", 10) == b"0123456789"
        assert server.connections == 3


# What is wrong with a server


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        (tricks.hang, "did not answer in time"),
        (tricks.hang_in_the_body, "did not answer in time"),
        (tricks.drip_headers, "did not answer in time"),
        (tricks.drip_body, "did not answer in time"),
        (tricks.cut, "not to the end"),
        (tricks.cut_in_a_chunk, "not to the end"),
        (tricks.close_at_once, "it closed the connection"),
        (tricks.reset, "cannot be reached"),
        (tricks.status(404), "answered with status 404"),
        (tricks.status(500), "answered with status 500"),
        (tricks.status(204), "answered with status 204"),
        (tricks.status(206), "answered with status 206"),
        (tricks.huge_by_its_length, "longer than 1000 octets"),
        (tricks.huge_without_length, "longer than 1000 octets"),
        (tricks.huge_in_one_chunk_of_minus_one, "longer than 1000 octets"),
        (tricks.huge_headers, "longer than 1000 octets"),
        (tricks.continue_for_ever, "longer than 1000 octets"),
        (tricks.not_http, "did not answer as a server does"),
    ],
)
@pytest.mark.parametrize("connection", ["new", "kept"])
def test_a_server_that_misbehaves(connection, trick, words, folder):
    """Whatever it does ends in an error that names the file; the source is none the worse for it."""
    with (
        serving(folder, {"file": trick}) as server,
        HttpSource(server.url, SOON) as source,
    ):
        if connection == "kept":
            source.read("other", 1000)
        refused(source, "file", words)
        if words != "did not answer in time":  # then there is no time left
            assert source.read("other", 1000) == b"other"


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["elsewhere", "itself"])
def test_no_redirect_is_followed(number, to, folder):
    with serving(folder) as elsewhere, serving(folder) as server, HttpSource(server.url) as source:
        goal = (elsewhere if to == "elsewhere" else server).url + "other"
        server.tricks = {"file": lambda handler: handler.send(number, Location=goal)}
        refused(source, "file", "sends elsewhere")
        assert (elsewhere.asked, server.asked) == ([], ["file"])


def test_where_nothing_listens():
    with HttpSource(unused_url()) as source:
        refused(source, "file", "cannot be reached: Connection refused")


def test_a_name_that_does_not_exist():
    with HttpSource("http://repository.invalid/", 5) as source:  # RFC 6761 6.4
        refused(source, "file", "http://repository.invalid:80/")


def test_all_waiting_is_counted_together(folder):
    """Ten files, each within its time: together they take longer than a source may."""

    def late(handler):
        handler.server.told.stopping.wait(0.1)
        handler.send_file("file")

    def read_ten(source):
        for _ in range(10):
            source.read("file", 10)

    with serving(folder, {"file": late}) as server, HttpSource(server.url, 0.5) as source:
        with pytest.raises(BadInput, match="in time"):
            read_ten(source)
        assert server.asked


@pytest.fixture(scope="module")
def echo(folder):
    """A server that answers with the octets in ``answer``, as they are."""
    with serving(folder, {}) as server:
        server.tricks = {"file": lambda handler: handler.raw(server.answer)}
        yield server


HEADS = [
    b"",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: ",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 ",
]


@given(
    head=st.sampled_from(HEADS), rest=st.binary(max_size=40) | st.from_regex(rb"[0-9a-fx-]{1,6}\r\n.{0,9}")
)
def test_any_answer_is_a_short_file_or_an_error(head, rest, echo):
    echo.answer = head + rest
    with HttpSource(echo.url, 5) as source:
        try:
            octets = source.read("file", 10)
        except BadInput as error:
            told = error
        else:
            assert octets in rest  # nothing that was not sent as a body
            return
    assert told.place == "file"
    assert str(told).isprintable()


# What is wrong with an index


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html>",
        b"[1, 2]",
        b"{}",
        b'{"numbers": 1}',
        b'{"numbers": ["1"]}',
        b'{"numbers": [1.5]}',
        b'{"numbers": [true]}',
        b'{"numbers": [null]}',
        b'{"numbers": [1, 1]}',
        b'{"numbers": [2, 1]}',
        b'{"numbers": [-1, 1]}',
        b'{"numbers": [1, %d]}' % (1 << 160),
        b'{"numbers": [1, 2',
        b"[" * 100_000,
        b'{"numbers": [' + b"1" * 100_000 + b"]}",
        b'{"numbers": [1]} ' + b" " * (16 * MEGABYTE),
    ],
    ids=lambda content: content[:20].decode(),
)
def test_what_is_no_index_is_refused(content, folder):
    with (
        serving(folder, {INDEX: lambda handler: handler.send(200, content)}) as server,
        HttpSource(server.url) as source,
        pytest.raises(BadInput) as caught,
    ):
        source.numbers(LIST)
    assert caught.value.place == INDEX


@given(numbers=st.sets(st.integers(0, (1 << 63) - 1), max_size=20))
def test_an_index_is_read_as_it_is(numbers, echo):
    echo.tricks[INDEX] = lambda handler: handler.send(200, json.dumps({"numbers": sorted(numbers)}).encode())
    with HttpSource(echo.url) as source:
        assert list(source.numbers(LIST)) == sorted(numbers)


# What no source reads


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "../secret",
        "g/../../secret",
        "/etc/passwd",
        "g//x",
        "g/./x",
        "g/%2e%2e/x",
        "x?y",
        "x#y",
        "x y",
        "x\r\nHost: elsewhere",
        "http://elsewhere/x",
        "名前",
    ],
)
def test_no_path_leaves_the_base(path, folder):
    with serving(folder, base="/pki/") as server, HttpSource(server.url) as source:
        refused(source, path)
        assert server.asked == []
    refused(FolderSource(folder / "g"), path)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "127.0.0.1",
        "http://",
        "http:///path",
        "http://:80/",
        "http://host:port/",
        "http://host:70000/",
        "http://host:0/",
        "http://[::1/",
        "http://user:secret@host/",
        "http://host/?query",
        "http://host/?",
        "http://host/#part",
        "http://host/a b",
        "http://ho st/",
        "http://ho\r\nst/",
        "http://名前/",
        "http://" + "h" * 300 + "/",
    ],
)
def test_what_is_no_base_url_is_refused(url):
    with pytest.raises(BadInput, match="URL"):
        HttpSource(url)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://host", "http://host:80/"),
        ("HTTP://Host:8080/a", "http://host:8080/a/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
    ],
)
def test_a_base_url(url, base):
    with HttpSource(url) as source:
        assert source.base == base


# Folders


def test_files_that_are_none(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "out").symlink_to("/etc/hostname")
    source = FolderSource(tmp_path)
    for path in ("folder", "fifo", "circle", "nowhere", "out", "nothing", "x" * 5000, "folder/x/y"):
        refused(source, path)
    refused(FolderSource(tmp_path / "circle"), "file")
    refused(FolderSource(tmp_path / "nothing"), "file", "is not in the published folder")


def test_a_link_within_the_folder_is_followed(folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert FolderSource(link).read("file", 10) == b"0123456789"


def test_numbers_of_a_folder(tmp_path):
    lists = tmp_path / "g/a.g1/crl/full"
    lists.mkdir(parents=True)
    for name in ("10.crl", "9.crl", "0.crl", "01.crl", "-1.crl", "x.crl", "٣.crl", "11.new", f"{10**50}.crl"):
        (lists / name).touch()
    source = FolderSource(tmp_path)
    assert list(source.numbers("g/a.g1/crl/full.crl")) == [0, 9, 10]
    assert list(source.numbers("g/a.g1/crl/arl.crl")) == []
    (tmp_path / "out").symlink_to("/etc")
    with pytest.raises(BadInput, match=re.escape("leads out")):
        source.numbers("out.crl")
