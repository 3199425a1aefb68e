"""Pages that are sent while they are made."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise

import pytest

from core.errors import DatabaseUnavailable
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.spec.presets import resolve
from tests.core.many import multiply
from webui import context
from webui.bridge import Answer
from webui.pages import runs
from webui.pages.list_rows import SCREENFUL, STRETCH
from webui.streaming import Pieces

MANY = 120
GZIP = 16 + zlib.MAX_WBITS


@pytest.fixture
def many(app) -> int:
    """A list of that many runs; the number of the newest."""
    database = context.of(app).database
    lifecycle.submit(database, LOCAL_OWNER, name="one of many", spec=resolve("quick", {}))
    multiply(database, MANY - 1)
    return MANY


def pieces_of(client, address: str = "/?limit=500", **headers: str) -> list[bytes]:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    return list(answer.response)


def rows_in(text: str) -> list[int]:
    return [int(each.partition('"')[0]) for each in text.split('id="job-')[1:]]


def test_what_is_written_is_sent_where_the_template_says_so():
    pieces = Pieces()

    def texts() -> Iterator[str]:
        yield "head"
        yield pieces.flush()
        yield "a"
        yield "b"
        yield pieces.flush()
        yield "end"

    assert list(pieces.of(texts())) == ["head", "ab", "end"]


def test_the_head_is_sent_before_the_rows_are_asked_for(client, many, monkeypatch):
    asked: list[int] = []
    of_all = runs._rows
    monkeypatch.setattr(runs, "_rows", lambda *args: asked.append(1) or of_all(*args))

    parts = iter(client.get("/?limit=500").response)
    head = next(parts).decode()

    assert asked == []
    assert "runs.css" in head
    assert rows_in(head) == []
    assert next(parts)
    assert asked == [1]


def test_the_first_screenful_is_sent_before_the_others_are_asked_for(client, many, monkeypatch):
    asked: list[int] = []
    of_all = runs._rows
    monkeypatch.setattr(runs, "_rows", lambda *args: asked.append(len(args[1])) or of_all(*args))

    parts = (each.decode() for each in client.get("/?limit=500").response)
    rows = next(rows for part in parts if (rows := rows_in(part)))

    assert SCREENFUL <= len(rows) <= SCREENFUL + STRETCH
    assert asked == [len(rows)]
    for part in parts:
        rows += rows_in(part)
    assert rows == list(range(many, many - MANY, -1))


def test_a_part_of_the_page_has_the_same_rows_in_the_same_stretches(client, many):
    def stretches(text: str) -> list[list[int]]:
        return [rows_in(each) for each in text.split("<tbody")[1:]]

    whole = b"".join(pieces_of(client)).decode()

    assert stretches(client.get("/?limit=500&part=1").text) == stretches(whole)
    assert sum(map(len, stretches(whole))) == MANY


@pytest.mark.parametrize("address", ["/?limit=500", "/?limit=500&group=seed"])
def test_the_browser_waits_with_its_first_drawing_for_a_row_of_the_first_screenful(
    client, many, address
):
    head, *_ = pieces = [each.decode() for each in pieces_of(client, address)]
    awaited = head.partition('<link rel="expect" href="#')[2].partition('"')[0]
    before, found, _ = "".join(pieces).partition(f'<tr role="row" id="{awaited}"')
    assert found
    assert before.partition("<tbody")[2].count("<tr ") < SCREENFUL


def test_each_piece_can_be_read_before_the_next_is_there(client, many):
    pieces = pieces_of(client, **{"Accept-Encoding": "gzip, br"})
    reader = zlib.decompressobj(wbits=GZIP)

    texts = [reader.decompress(each).decode() for each in pieces]

    assert reader.eof
    assert rows_in("".join(texts)) == list(range(many, many - MANY, -1))
    assert all(rows_in(text) for text in texts[1:4])


def test_whoever_takes_nothing_compressed_gets_it_plain(client, many):
    answer = client.get("/?limit=500", headers={"Accept-Encoding": "gzip;q=0, identity"})

    assert "Content-Encoding" not in answer.headers
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert answer.text.endswith("</html>")


def test_the_cookie_that_forms_need_leaves_with_the_head(client, many):
    answer = client.get("/?limit=500")

    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert 'name="csrf_token"' in answer.text


@pytest.mark.parametrize(
    "asked", ["sort=nothing", "cursor=!", "state=lazy", "group=seed&cursor=ox"]
)
def test_what_is_refused_is_refused_with_its_status(client, many, asked):
    assert client.get(f"/?{asked}", buffered=True).status_code == 422


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("a fault"), "Something went wrong here"),
        (DatabaseUnavailable("away"), "Not available right now"),
    ],
)
def test_a_page_that_breaks_says_so_where_it_breaks_and_is_cut_off(
    client, many, monkeypatch, error, words
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(runs, "_rows", fail)
    found: list[str] = []

    with pytest.raises(type(error)):
        found.extend(each.decode() for each in client.get("/").response)

    assert words in found[-1]
    assert 'role="alert"' in found[-1]


def test_whoever_leaves_early_ends_the_request(app, client, many):
    ended: list[int] = []
    app.teardown_request(lambda _: ended.append(1))
    answer = client.get("/?limit=500", headers={"Accept-Encoding": "gzip"})
    parts = iter(answer.response)
    next(parts)
    next(parts)
    assert ended == []

    answer.close()

    assert ended == [1]


def test_whoever_asks_for_the_head_alone_is_answered_by_it(app, client, many):
    ended: list[int] = []
    app.teardown_request(lambda _: ended.append(1))

    answer = client.head("/?limit=500", buffered=True)

    assert (answer.status_code, answer.data) == (200, b"")
    assert ended == [1]


def test_the_server_passes_each_piece_on_as_it_comes(app, many):
    with app.test_request_context("/?limit=500") as asked:
        answer = Answer(app, dict(asked.request.environ))

    parts = [answer.begin()]
    while not answer.is_over:
        parts.append(answer.next())

    assert b"</head>" in parts[0]
    assert len([part for part in parts if b'id="job-' in part]) >= MANY / STRETCH / 2
    assert all(len(one) < len(b"".join(parts)) / 2 for one, _ in pairwise(parts))
