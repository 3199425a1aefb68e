"""The page on which a network is tried, as one file that needs no server.

A browser loads no module of a file beside it, so each is in the page itself, as a `data:` address
under a name of its own.
"""

from __future__ import annotations

import base64
import gzip
import posixpath
import re
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent.parent / "static"

RUNTIME = "node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs"
PROGRAM = "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"
SCRIPT = "js/tryout/tryout.js"
STYLES = ("base", "parts", "run", "tryout")

_IMPORT = re.compile(r'(?<=\bfrom ")\.[^"]+(?=";)')


def styles() -> str:
    """All styles of the page, one after the other."""
    return "\n".join((STATIC / "css" / f"{name}.css").read_text() for name in STYLES)


@cache
def modules() -> dict[str, str]:
    """The modules of the page's script, by the names under which they import each other."""
    found: dict[str, str] = {}
    left = [SCRIPT]
    while left:
        name = left.pop()
        if name not in found:
            text = (STATIC / name).read_text()
            left += [_named(relative, name) for relative in _IMPORT.findall(text)]
            found[name] = _module(name, text)
    return found | {RUNTIME: _data("text/javascript", (STATIC / RUNTIME).read_bytes())}


def _module(name: str, text: str) -> str:
    """A module that imports others by their names, not by where they lie."""
    return _data(
        "text/javascript", _IMPORT.sub(lambda match: _named(match[0], name), text).encode()
    )


def _named(relative: str, importer: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), relative))


def addresses(network: bytes) -> dict[str, str]:
    """Where the script finds the runtime, its program, and a network: all in the page."""
    return {
        "script": RUNTIME,
        "program": _program(),
        "network": _data("application/octet-stream", network),
    }


@cache
def _program() -> str:
    """The runtime's program, a quarter as large."""
    return _data("application/gzip", gzip.compress((STATIC / PROGRAM).read_bytes(), mtime=0))


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
