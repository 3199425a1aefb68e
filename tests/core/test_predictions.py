"""Predictions in a text."""

from __future__ import annotations

import base64
import random
import zlib

import pytest

from core import predictions


@pytest.mark.parametrize("labels", [[], [0], [9, 0, 65_535], list(range(300))])
def test_what_is_packed_is_unpacked(labels):
    assert list(predictions.unpack(predictions.pack(labels))) == labels


def test_the_format_is_the_documented_one():
    assert zlib.decompress(base64.b64decode(predictions.pack([1, 258]))) == b"\x01\x00\x02\x01"


def test_ten_thousand_images_take_a_few_kilobytes():
    labels = random.Random(0).choices(range(10), k=10_000)

    assert len(predictions.pack(labels)) < 8_000
