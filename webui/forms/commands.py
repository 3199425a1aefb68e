"""What a form asks for as a terminal command, as Python and as curl: the same run by another way.

Each says only what differs from the preset, or from the defaults.
"""

from __future__ import annotations

import json
import pprint
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.spec import presets
from core.spec.spec import TrainingSpec

DEFAULTS = {
    "priority": 0,
    "queue": "default",
    "tags": [],
    "private": False,
    "seeds": "",
    "weights_from": None,
}
_WIDTH = 76


@dataclass(frozen=True, slots=True)
class Commands:
    """The same submit in several languages."""

    terminal: str
    python: str
    notebook: str
    """Python that trains in its own process, without the server."""
    curl: str


def commands(asked: Mapping[str, Any], spec: TrainingSpec, url: str) -> Commands:
    """The commands that submit what a form asks for.

    Args:
        asked: what was handed in, as `webui.actions.Submission` names it.
        spec: its spec, checked.
        url: the address of this server, without a slash at its end.
    """
    preset = asked.get("preset")
    changes = presets.changes(preset, spec)
    about = {
        name: asked[name]
        for name, default in DEFAULTS.items()
        if asked.get(name) not in (None, default, [], ())
    }
    body = {"name": asked["name"], "preset": preset, "spec": changes} | about
    sent = {name: value for name, value in body.items() if value not in (None, {})}
    return Commands(
        terminal=_terminal(sent),
        python=_python(sent, url),
        notebook=_notebook(preset, changes, sent.get("weights_from")),
        curl=_curl(sent, url),
    )


def _terminal(sent: Mapping[str, Any]) -> str:
    words = ["trainyard submit"]
    if "preset" in sent:
        words.append(f"--preset {shlex.quote(sent['preset'])}")
    words.append(f"--name={shlex.quote(sent['name'])}")
    words += [f"--{path} {_as_word(value)}" for path, value in _leaves(sent.get("spec", {}))]
    if "priority" in sent:
        words.append(f"--priority={sent['priority']}")
    if "queue" in sent:
        words.append(f"--queue {shlex.quote(sent['queue'])}")
    words += [f"--tag={shlex.quote(tag)}" for tag in sent.get("tags", [])]
    if sent.get("private"):
        words.append("--private")
    if "weights_from" in sent:
        words.append(f"--weights-from={sent['weights_from']}")
    if "seeds" in sent:
        words.append(f"--seeds {shlex.quote(_list_of(sent['seeds']))}")
    return " \\\n  ".join(words)


def _leaves(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The single fields of a spec by their dotted paths; the kind of a section comes first."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _as_word(value: Any) -> str:
    """A value as the terminal reads it."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return shlex.quote(_list_of(value))
    return shlex.quote(value if isinstance(value, str) else json.dumps(value))


def _list_of(values: Any) -> str:
    if isinstance(values, str):
        return values
    return ",".join(str(value) for value in values)


def _python(sent: Mapping[str, Any], url: str) -> str:
    body = pprint.pformat(dict(sent), width=_WIDTH, sort_dicts=False)
    return (
        "from trainyard import Client\n\n"
        f"with Client({url!r}) as server:\n"
        f"    run = server.post('/jobs', {_indented(body, 4)})\n"
    )


def _notebook(preset: str | None, changes: Mapping[str, Any], weights_from: int | None) -> str:
    fields = pprint.pformat(dict(changes), width=_WIDTH, sort_dicts=False) if changes else ""
    given = ", ".join(filter(None, (repr(preset), fields)))
    # the files of a run are the server's
    note = f"# with random weights, not those of run {weights_from}\n" if weights_from else ""
    imports = "from trainyard import preset, train\n\n"
    return f"{imports}{note}result = train(preset({_indented(given, 0)}))\n"


def _indented(text: str, by: int) -> str:
    return text.replace("\n", "\n" + " " * by)


def _curl(sent: Mapping[str, Any], url: str) -> str:
    body = shlex.quote(json.dumps(sent, ensure_ascii=False))
    lines = (
        f"curl {shlex.quote(url)}/api/v1/jobs",
        "-H 'Content-Type: application/json'",
        f"-d {body}",
    )
    return " \\\n  ".join(lines)
