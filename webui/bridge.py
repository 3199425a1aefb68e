"""Between the server's event loop and Flask: requests in threads, live streams in the loop.

A thread is taken when a request is there as a whole, and for each part of an answer when its reader
has taken the one before. So who sends or reads slowly, or not at all, holds a connection and no
thread. Flask also makes the head of a live stream, with all its checks; the body is a viewer's.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from webui.addresses import largest_body
from webui.live.hub import Hub
from webui.live.subscription import ENVIRON, Subscription
from webui.live.viewer import Viewer
from webui.streaming import ENVIRON as IN_PIECES

BODY_TIMEOUT_S = 60.0
PART_BYTES = 256 * 1024
ON_STREAM = "trainyard.on_stream"
"""The name of a server's extension: a function to be called where a request becomes a stream."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Environ = dict[str, Any]
Result = TypeVar("Result")


class WSGIApplication(Protocol):
    """What Flask is to a server."""

    def __call__(self, environ: Environ, start_response: Any, /) -> Iterable[bytes]:
        """Answer a request."""


class Bridge:
    """An ASGI application around a WSGI one and a hub."""

    def __init__(self, app: WSGIApplication, threads: int, hub: Hub) -> None:
        self._app = app
        self._hub = hub
        self._pool = ThreadPoolExecutor(threads, "request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        # what comes behind a body, as trailers, is no head: a proxy in front has not looked at it
        scope = {**scope, "headers": tuple(scope["headers"])}
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _body(scope, receive)
        except TimeoutError:
            await _refuse(send)
            return
        if body is None:
            return  # it left
        async with _departure(receive) as has_left:
            await self._answer(Answer(self._app, _environ(scope, body)), scope, send, has_left)

    def close(self) -> None:
        """Let go of the threads; a request that is being answered comes to its end."""
        self._pool.shutdown(cancel_futures=True)

    async def _answer(
        self, answer: Answer, scope: Scope, send: Send, has_left: asyncio.Task[None]
    ) -> None:
        part = await self._begin(answer, has_left)
        if part is None:
            return
        try:
            await send(
                {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
            )
            if answer.subscription is not None and scope["method"] != "HEAD":
                await self._stream(answer.subscription, scope, send, has_left)
            else:
                await self._send(answer, part, send, has_left)
        finally:
            # not awaited: this may be the end of a server that is told to stop at once
            if not answer.is_over:
                self._close_soon(answer)

    async def _begin(self, answer: Answer, has_left: asyncio.Task[None]) -> bytes | None:
        """The first part; None where the asker has left before a thread was free for it."""
        beginning = self._pool.submit(answer.begin)
        has_left.add_done_callback(lambda _: beginning.cancel())
        try:
            return await asyncio.wrap_future(beginning)
        except asyncio.CancelledError:
            if has_left.done() and beginning.cancelled():
                return None
            raise

    def _close_soon(self, answer: Answer) -> None:
        try:
            self._pool.submit(answer.close)
        except RuntimeError:  # no thread will be free any more
            answer.close()

    async def _send(
        self, answer: Answer, part: bytes, send: Send, has_left: asyncio.Task[None]
    ) -> None:
        while not (answer.is_over or has_left.done()):
            await send({"type": "http.response.body", "body": part, "more_body": True})
            part = await self._run(answer.next)
        if not has_left.done():
            await send({"type": "http.response.body", "body": part})

    async def _stream(
        self,
        subscription: Subscription,
        scope: Scope,
        send: Send,
        has_left: asyncio.Task[None],
    ) -> None:
        async def write(text: bytes) -> None:
            await send({"type": "http.response.body", "body": text, "more_body": True})

        scope.get("extensions", {}).get(ON_STREAM, lambda: None)()
        viewer = Viewer(self._hub, subscription, write)
        has_left.add_done_callback(lambda _: viewer.leave())
        await viewer.run()
        await send({"type": "http.response.body", "body": b""})

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


class Answer:
    """One call of a WSGI application. Each method takes a thread, one after the other."""

    def __init__(self, app: WSGIApplication, environ: Environ) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_over = False
        self._app = app
        self._environ = environ
        self._context = contextvars.copy_context()  # what is bound to it follows it over threads
        self._whole: Iterable[bytes] = ()
        self._parts: Iterator[bytes] = iter(())
        self._in_use = threading.Lock()
        """A close may come while a part is made."""

    @property
    def subscription(self) -> Subscription | None:
        """What to make a live stream of, where the answer is only the head of one."""
        asked = self._environ.get(ENVIRON)
        return asked if isinstance(asked, Subscription) else None

    def begin(self) -> bytes:
        """The first part, and with it status and headers."""
        with self._in_use:
            return self._context.run(self._begin)

    def next(self) -> bytes:
        """The next part."""
        with self._in_use:
            return self._context.run(self._next)

    def close(self) -> None:
        """Tell the application that no more is asked for."""
        with self._in_use:
            self._context.run(self._close)

    def _begin(self) -> bytes:
        self._whole = self._app(self._environ, self._start)
        self._parts = iter(self._whole)
        return self._next()

    def _next(self) -> bytes:
        """Some parts as one: a large answer takes a thread seldom. A page in pieces waits not."""
        found = bytearray()
        try:
            for part in self._parts:
                found += part
                if len(found) >= PART_BYTES or (found and IN_PIECES in self._environ):
                    return bytes(found)
        except BaseException:
            self._end()
            raise
        self._end()
        return bytes(found)

    def _end(self) -> None:
        self.is_over = True
        self._close()

    def _close(self) -> None:
        close = getattr(self._whole, "close", None)
        if close is not None:
            self._whole = ()
            close()

    def _start(self, status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        self.status = int(status.partition(" ")[0])
        self.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The body of a request; None where its sender has left.

    One that is too large is read so far that Flask refuses it, or not at all where it says so.
    """
    largest = largest_body(scope["path"])
    if _declared(scope) > largest:
        return b""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > largest:
            return bytes(body)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return 0


def _environ(scope: Scope, body: bytes) -> Environ:
    """A request as PEP 3333 has it: texts are bytes, read as Latin-1."""
    host, port = scope["server"] or ("", 0)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        _add_header(environ, name.decode("latin-1"), value.decode("latin-1"))
    if body or "CONTENT_LENGTH" not in environ:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _add_header(environ: Environ, name: str, value: str) -> None:
    if "_" in name or name == "transfer-encoding":
        return  # one would stand for another that a proxy has set; of the other nothing is left
    key = name.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    separator = "; " if key == "HTTP_COOKIE" else ","
    environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value


@contextlib.asynccontextmanager
async def _departure(receive: Receive) -> Any:
    """A task that is done when the other side has left."""

    async def leaves() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(leaves())
    try:
        yield task
    finally:
        task.cancel()


async def _refuse(send: Send) -> None:
    """Answer a request whose body does not come."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    status = int(HTTPStatus.REQUEST_TIMEOUT)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
