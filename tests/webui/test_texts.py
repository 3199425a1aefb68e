"""What people read on the pages is translated: no template and no script shows words of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.jslexer import tokenize
from jinja2 import Environment, nodes

WEB = Path(__file__).parents[2] / "webui"
TEMPLATES, STATIC = WEB / "templates", WEB / "static"

NAMES = {
    *("Trainyard", "SHA", "ONNX", "MACs", "Python", "JavaScript", "CUDA", "torch", "curl", "UTC"),
    *("Ctrl", "Shift", "Escape"),
}
"""Words that are the same in every language."""

TRANSLATE = {"_", "gettext", "ngettext"}
READ = (
    "alt",
    "aria-label",
    "aria-description",
    "aria-roledescription",
    "label",
    "placeholder",
    "title",
)
"""The attributes that people read, or hear."""

WORD = re.compile(r"[^\W\d_]{2,}")
PLACE = "\ue000"
"""Stands for an expression of a template."""
ATTRIBUTES = re.compile(r"""(?:[a-z-]+="[^"]*"\s*)+""")
"""What a page adds to a tag of the frame around it."""
CODE = re.compile(r"\bimport |\w = |# |float32")
"""Lines to copy."""
CONTENT = re.compile(r'content:\s*"[^"\n]*[A-Za-z]{2,}[^"\n]*"')


def words(text: str) -> list[str]:
    """The words of a text that are no names."""
    return [each for each in WORD.findall(text) if each not in NAMES]


class Page(HTMLParser):
    """Gathers what people read of a template."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag, attrs):
        self.silent += tag in ("script", "style", "code")
        self.seen += [value for name, value in attrs if name in READ and words(value or "")]

    def handle_endtag(self, tag):
        self.silent -= tag in ("script", "style", "code")

    def handle_data(self, data):
        text = data.replace(PLACE, "").strip()
        if not (self.silent or ATTRIBUTES.fullmatch(text) or CODE.search(text)) and words(text):
            self.seen.append(text)


def of_template(source: str) -> list[str]:
    """The words of a template that are not translated."""
    environment = Environment(extensions=["jinja2.ext.i18n"])
    text, inside = "", 0
    for _, kind, value in environment.lex(source):
        if kind in ("variable_begin", "block_begin", "comment_begin"):
            inside += 1
            place = "p" if text.endswith(("<", "</")) else PLACE
            text += place if kind == "variable_begin" else ""
        elif kind in ("variable_end", "block_end", "comment_end"):
            inside -= 1
        elif kind == "data" and not inside:
            text += value
    page = Page()
    page.feed(text)
    page.close()
    return page.seen + list(_in_expressions(environment.parse(source)))


def _in_expressions(node: nodes.Node) -> Iterator[str]:
    """Sentences, and words with a capital letter, in the expressions of a template."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Call) and getattr(child.node, "name", "") in TRANSLATE:
            continue
        if isinstance(child, nodes.Const) and isinstance(child.value, str) and reads(child.value):
            yield child.value
        yield from _in_expressions(child)


def reads(text: str) -> bool:
    """Whether a text in the source is for people: a sentence, or begins with a capital letter."""
    is_sentence = " " in text and len(re.findall(r"[A-Za-z]{2,}", text)) > 2
    return (
        bool(words(text))
        and not CODE.search(text)
        and (is_sentence or bool(re.match(r"[A-Z][a-z]", text)))
    )


def of_script(source: str) -> list[str]:
    """The sentences of a script that are not translated."""
    tokens = list(tokenize(source))
    found = []
    for place, token in enumerate(tokens):
        if token.type in ("string", "template_string"):
            before = {each.value for each in tokens[max(0, place - 4) : place]}
            text = token.value[1:-1]
            if re.match(r"[A-Z][a-z]+ |[A-Z][a-z]+\.$", text) and not TRANSLATE & before:
                found.append(text)
    return found


def names(folder: Path, pattern: str) -> list[str]:
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob(pattern))
    return [name for name in found if "node_modules" not in name]


@pytest.mark.parametrize("name", names(TEMPLATES, "*.html"))
def test_a_template_shows_no_words_that_are_not_translated(name):
    assert of_template((TEMPLATES / name).read_text()) == []


@pytest.mark.parametrize("name", names(STATIC, "*.js"))
def test_a_script_shows_no_words_that_are_not_translated(name):
    assert of_script((STATIC / name).read_text()) == []


@pytest.mark.parametrize("name", names(STATIC, "*.css"))
def test_a_style_sheet_shows_no_words(name):
    lines = (STATIC / name).read_text().splitlines()
    of_every_language = "\n".join(line for line in lines if ":lang(en)" not in line)
    assert CONTENT.findall(of_every_language) == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>Runs</p>",
        "<p>{{ count }} runs</p>",
        '<p title="The whole of it">{{ x }}</p>',
        '<input placeholder="name">',
        "{{ 'Delete' if one else 'x' }}",
        "{{ ask('retry', 'Retry') }}",
        "<p>{{ _('Runs') }} of it</p>",
        "{{ 'ended by an error' if failed }}",
    ],
)
def test_words_of_a_template_are_seen(source):
    assert of_template(source)


@pytest.mark.parametrize(
    "source",
    [
        "<p>{{ _('Runs') }}</p>",
        "<p>Trainyard {# a comment #}</p>",
        '<p title="{{ _(\'The whole of it\') }}" class="faint">{{ x }} · {{ y }} s</p>',
        '<{{ tag }} id="{{ of }}-title">{{ text }}</{{ tag }}>',
        "{{ snippet('import onnxruntime\\nsession = onnxruntime.InferenceSession(') }}",
        '{% block main_attributes %}{{ super() }} class="narrow"{% endblock %}',
        "<code>trainyard worker</code><script>let x = 'Some words';</script>",
        '{% block main_attributes %} class="run-page" data-of="x"{% endblock %}',
        "{{ ngettext('%(num)s run', '%(num)s runs', count) }}",
        "{{ url_for('pages.ask_to_delete', filename='css/run.css') }}",
    ],
)
def test_what_is_translated_or_for_no_person_is_left_alone(source):
    assert of_template(source) == []


def test_words_of_a_script_are_seen():
    assert of_script('say("Loading the network…");') == ["Loading the network…"]
    assert of_script("say(`The server says ${why}`);")
    assert of_script('say(gettext("Loading the network…"));') == []
    assert of_script('say(ngettext("One run is there.", "%(num)s runs are there.", n));') == []
