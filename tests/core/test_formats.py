"""How values are written for people: the table of formats, by Babel."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from core import formats
from core.languages import speaking

ROOT = Path(__file__).parents[2]
PLACES = ("core", "cli", "webui", "worker", "trainyard")

WRITE_BY_THE_TABLE = ("core/formats.py", "webui/static/js/lib/format.js")

BY_HAND = re.compile(
    r"\{[^{}]*:[<>^]?\d*(?:[,_]|,?\.\d+[%efgEFG]?|[,%efgEFG]|0?\d*[%efgEFG])\}"
    r"|\.to(?:Fixed|Precision|Exponential|Locale\w*)\(|\bIntl\."
)
"""A number or a time that is written by a format of Python or of JavaScript."""


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formats.number(None), "–"),
        (formats.number(0), "0.0000"),
        (formats.number(0.123456), "0.1235"),
        (formats.number(1234.5), "1234.5000"),
        (formats.number(0.00001234), "1.23e-5"),
        (formats.number(123456), "1.23e5"),
        (formats.number(float("nan")), "nan"),
        (formats.percent(0.98765), "98.77%"),
        (formats.percent(1), "100.00%"),
        (formats.percent(0.00125), "0.13%"),
        (formats.progress(0.9999), "99%"),
        (formats.progress(0.29), "29%"),
        (formats.exact(2.0), "2"),
        (formats.exact(0.1), "0.1"),
        (formats.exact(2**31 - 1), "2147483647"),
        (formats.exact(1e-8), "0.00000001"),
        (formats.seconds(60.0), "60 s"),
        (formats.seconds(0.5), "0.5 s"),
        (formats.about(0.2), "about 1 s"),
        (formats.about(59.4), "about 59 s"),
        (formats.about(59.6), "about 1 min"),
        (formats.about(3599), "about 1 h 00 min"),
        (formats.about(3779), "about 1 h 03 min"),
        (formats.whole(12345.6), "12,346"),
        (formats.whole(2.5), "3"),
        (formats.rough(9_999), "9,999"),
        (formats.rough(28_938), "28.9 thousand"),
        (formats.rough(999_949), "999.9 thousand"),
        (formats.rough(10_010), "10 thousand"),
        (formats.rough(999_999), "1 million"),
        (formats.rough(11_173_962), "11.2 million"),
        (formats.rough(2_500_000_000), "2.5 billion"),
        (formats.short(0), "0"),
        (formats.short(0.001), "0.001"),
        (formats.short(0.00001), "1e-5"),
        (formats.short(999.6), "1e3"),
        (formats.short(1234), "1.23e3"),
        (formats.size(None), "–"),
        (formats.size(0), "0 B"),
        (formats.size(999), "999 B"),
        (formats.size(123_379), "123 kB"),
        (formats.size(12_379), "12.4 kB"),
        (formats.size(999_999), "1.0 MB"),
        (formats.size(412_073_984), "412 MB"),
        (formats.size(2_500_000_000), "2.5 GB"),
        (formats.duration(None), "–"),
        (formats.duration(-1), "0.0 s"),
        (formats.duration(0.04), "0.0 s"),
        (formats.duration(9.94), "9.9 s"),
        (formats.duration(9.96), "10 s"),
        (formats.duration(59.6), "1 min 00 s"),
        (formats.duration(3599.4), "59 min 59 s"),
        (formats.duration(3661), "1 h 01 min"),
        (formats.duration(90_000), "1 d 1 h"),
        (formats.duration(86_400), "1 d"),
        (formats.ago(-3), "just now"),
        (formats.ago(4.9), "just now"),
        (formats.ago(59.9), "59 s ago"),
        (formats.ago(3599), "59 min ago"),
        (formats.ago(100_000), "1 d ago"),
        (formats.last_heartbeat(0.9), "0 s ago"),
        (formats.last_heartbeat(61), "1 min ago"),
        (formats.moment("2025-01-31T10:15:34.999000Z"), "2025-01-31 10:15:34 UTC"),
        (formats.clock("2025-01-31T23:15:34+02:00"), "21:15:34"),
        (formats.clock(datetime.fromisoformat("2025-01-31T00:00:01+00:00")), "00:00:01"),
    ],
)
def test_values_are_written_for_people(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("write", "value", "expected"),
    [
        (formats.number, 0.123456, "0.1235"),
        (formats.percent, 0.98765, "98.77%"),
        (formats.whole, 12345.6, "12,346"),
        (formats.rough, 9_999, "9,999"),
        (formats.rough, 28_938, "2.9 万"),
        (formats.rough, 11_173_962, "1,117.4 万"),
        (formats.rough, 2_500_000_000, "25 亿"),
        (formats.size, 123_379, "123 kB"),
        (formats.duration, 59.6, "1 分 00 秒"),
        (formats.duration, 90_000, "1 天 1 小时"),
        (formats.duration, 172_800, "2 天"),
        (formats.about, 3779, "约 1 小时 03 分"),
        (formats.ago, -3, "刚刚"),
        (formats.ago, 3599, "59 分钟前"),
        (formats.moment, "2025-01-31T10:15:34.999000Z", "2025-01-31 10:15:34 UTC"),
        (formats.device, "CPU, 2 cores", "CPU，2 核"),
        (formats.device, "NVIDIA H100, CPU, 2 cores", "NVIDIA H100, CPU, 2 cores"),
    ],
)
def test_values_are_written_by_the_customs_of_the_language(write, value, expected):
    with speaking("zh"):
        assert write(value) == expected


@pytest.mark.parametrize(
    ("name", "seed", "shown", "parts"),
    [
        ("wide (seed 3)", 3, "wide（种子 3）", ("wide", "（种子 3）")),
        ("wide (seed 3)", 0, "wide (seed 3)", ("wide (seed 3)", "")),
        ("wide (seed 3) (seed 0)", 0, "wide (seed 3)（种子 0）", ("wide (seed 3)", "（种子 0）")),
        ("(seed 3) wide", 3, "(seed 3) wide", ("(seed 3) wide", "")),
        (" (seed 3)", 3, " (seed 3)", (" (seed 3)", "")),
    ],
)
def test_a_name_speaks_of_a_seed_where_the_run_has_it(name, seed, shown, parts):
    with speaking("zh"):
        assert formats.run_name(name, seed) == shown
        assert formats.name_and_seed(name, seed) == parts


def _written_by_hand(names):
    return [
        f"{name}:{number}: {line.strip()}"
        for name in names
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1)
        if BY_HAND.search(line)
    ]


def test_no_number_is_written_by_hand_beside_the_table():
    listed = subprocess.run(
        ["git", "ls-files", *PLACES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = [
        name
        for name in listed.stdout.splitlines()
        if name.endswith((".py", ".js", ".html")) and (ROOT / name).is_file()
    ]

    assert _written_by_hand(set(names) - set(WRITE_BY_THE_TABLE)) == []
    assert names


@pytest.mark.parametrize(
    "line",
    [
        'f"{count:,}"',
        'f"{share:.2%}"',
        'f"{share:.0%}"',
        'f"{row[1]:8.3f}"',
        '"{rate:g} s"',
        "x.toFixed(2)",
        "new Intl.NumberFormat()",
        "date.toLocaleTimeString()",
    ],
)
def test_a_format_by_hand_is_seen(line):
    assert BY_HAND.search(line)


@pytest.mark.parametrize(
    "line", ['f"{label:11}"', '"{eta_s:about}"', '"{count:number}"', 'f"{hour:02}"']
)
def test_what_is_no_format_of_a_number_is_left_alone(line):
    assert not BY_HAND.search(line)
