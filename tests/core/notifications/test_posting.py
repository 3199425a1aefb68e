"""A message is sent to a server that nobody has to trust."""

import socket
import threading

import pytest

from core.notifications import addresses, posting
from core.notifications.addresses import Refused
from core.notifications.posting import Answer

HERE = ["127.0.0.1"]


def test_a_body_arrives_with_its_headers(receiver):
    answer = posting.post(receiver.address, b"{}", {"webhook-id": "7"}, HERE)

    assert (answer.status, answer.body, answer.is_good) == (200, b"ok", True)
    [(path, headers, body)] = receiver.got
    assert (path, headers["webhook-id"], body) == ("/hook", "7", b"{}")
    assert headers["Content-Type"] == "application/json"


def test_no_message_reaches_this_machine_unless_it_is_allowed(receiver):
    with pytest.raises(Refused, match="private"):
        posting.post(receiver.address, b"{}", {})

    assert receiver.got == []


def test_a_name_is_looked_up_once_and_the_server_is_told_it(receiver, monkeypatch):
    asked = []
    real = socket.getaddrinfo

    def look_up(host, port, *rest, **more):
        asked.append(host)
        return real("127.0.0.1", port, *rest, **more)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", look_up)
    posting.post(f"http://hooks.example:{receiver.port}/hook", b"{}", {}, ["hooks.example"])

    assert asked == ["hooks.example", "127.0.0.1"]  # the number is what was looked at
    assert receiver.got[0][1]["Host"] == f"hooks.example:{receiver.port}"


def test_a_redirect_is_not_followed(receiver):
    receiver.answers = [(302, {"Location": receiver.address}, b"")]

    answer = posting.post(receiver.address, b"{}", {}, HERE)

    assert (answer.status, answer.is_good, len(receiver.got)) == (302, False, 1)


def test_a_proxy_of_the_environment_is_not_used(receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert posting.post(receiver.address, b"{}", {}, HERE).is_good


def test_a_server_that_does_not_answer_is_left(receiver):
    receiver.waits_for = threading.Event()

    with pytest.raises(Refused, match="within"):
        posting.post(receiver.address, b"{}", {}, HERE, timeout_s=0.3)


def test_a_server_that_sends_a_byte_now_and_then_is_left():
    with socket.create_server(("127.0.0.1", 0)) as server:
        is_over = threading.Event()

        def drip():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not is_over.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(Refused, match="within"):
            posting.post(address, b"{}", {}, HERE, timeout_s=0.5)
        is_over.set()
        thread.join()


def test_of_a_large_answer_the_beginning_is_read(receiver):
    receiver.answers = [(500, {}, b"x" * 1_000_000)]

    answer = posting.post(receiver.address, b"{}", {}, HERE)

    assert len(answer.body) == posting.READ_BYTES
    assert answer.excerpt == "x" * 300


def test_an_answer_is_written_on_one_line_without_what_turns_a_terminal():
    assert Answer(500, b"a\r\n\x1b[31mb\xff").excerpt == "a  [31mb\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "soon"}, 0),
        (
            {
                "Date": "Thu, 26 Nov 2026 10:00:00 GMT",
                "Retry-After": "Thu, 26 Nov 2026 10:01:00 GMT",
            },
            60,
        ),
        ({}, 0),
    ],
)
def test_a_server_says_how_long_it_wants_to_be_left_alone(headers, seconds):
    found = [(name.encode(), value.encode()) for name, value in headers.items()]

    assert posting._retry_after(found) == seconds


def test_nothing_that_listens_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(Refused, match="no answer"):
        posting.post(f"http://127.0.0.1:{port}/", b"{}", {}, HERE)
