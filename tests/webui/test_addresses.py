"""Which addresses are taken for ours, and where a request came from."""

from __future__ import annotations

import pytest

from webui import addresses


@pytest.mark.parametrize("address", ["/", "/?tag=a&sort=-test_accuracy", "/jobs/1#log", "/a?b=//c"])
def test_an_address_without_a_host_is_ours(app, address):
    assert addresses.own(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "//evil.example",
        "////evil.example/x",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "//[",
        "/a\r\nSet-Cookie: x=1",
        "jobs",
    ],
)
def test_no_address_leads_away(client, address):
    assert addresses.own(address) is None
    answer = client.get("/language/zh", query_string={"page": address})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("referrer", ["http://[", "http://elsewhere/x", "\x00"])
def test_a_page_that_no_page_led_to_is_shown(client, referrer):
    for path in ("/", "/jobs/selected/tags?run=1", "/api/v1/jobs"):
        assert client.get(path, headers={"Referer": referrer}).status_code < 500
