"""What is compressed on its way to whoever takes it so, and what never is."""

from __future__ import annotations

import brotli
import pytest

TAKES = {"Accept-Encoding": "br"}


@pytest.mark.parametrize("address", ["/jobs/new", "/static/css/parts.css", "/api/v1/spec"])
def test_texts_come_compressed_to_whoever_takes_them_so(client, address):
    compressed = client.get(address, headers=TAKES, buffered=True)
    plain = client.get(address, buffered=True)
    assert (plain.status_code, plain.headers.get("Content-Encoding")) == (200, None)
    assert compressed.headers["Content-Encoding"] == "br"
    assert "Accept-Encoding" in compressed.headers["Vary"]
    assert len(compressed.data) < len(plain.data) / 2
    assert brotli.decompress(compressed.data)[:40] == plain.data[:40]


def test_a_file_that_has_not_changed_is_not_sent_again(client):
    tag = client.get("/static/css/parts.css", headers=TAKES, buffered=True).headers["ETag"]
    takes = {**TAKES, "If-None-Match": tag}
    again = client.get("/static/css/parts.css", headers=takes, buffered=True)
    assert (again.status_code, again.data) == (304, b"")
