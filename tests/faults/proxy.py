"""A TCP proxy that cuts connections: at once, for a while, or at a chosen moment."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Proxy:
    """Forwards a port of the loopback interface to another, as long as it is asked to."""

    def __init__(self, target_port: int) -> None:
        """Take the port to forward to."""
        self._target = ("127.0.0.1", target_port)
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._swallowing: dict[tuple[socket.socket, socket.socket], threading.Event] = {}
        self._is_cut = False
        self._holds = False
        self._may_commit = threading.Event()
        self._may_flow = threading.Event()
        self._may_flow.set()
        self._trap: bytes | None = None
        self._sprung = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._may_flow.set()
        self._may_commit.set()
        self._close_all()

    def cut(self) -> None:
        """Close every connection, and every new one too until `heal`."""
        with self._lock:
            self._is_cut = True
        self._close_all()

    def lead_to(self, target_port: int) -> None:
        """Close every connection; new ones are forwarded to another port."""
        self._target = ("127.0.0.1", target_port)
        self._close_all()

    def stall(self) -> None:
        """Let nothing through in either direction until `heal`; connections stay open."""
        self._may_flow.clear()

    def heal(self) -> None:
        """Let everything through."""
        with self._lock:
            self._is_cut = False
        self._holds = False
        self._may_commit.set()
        self._may_flow.set()

    def cut_at_commit_after(self, text: str) -> threading.Event:
        """Cut one connection once: when a client has sent a statement that contains `text`, its
        next COMMIT is still forwarded, but the server's answer never comes back.

        Returns:
            An event that is set when it has happened.
        """
        self._sprung.clear()
        self._trap = text.encode()
        return self._sprung

    def hold_commit_after(self, text: str) -> threading.Event:
        """Hold one connection: when a client has sent a statement that contains `text`, its next
        COMMIT does not go through; the connection stays open and still until `heal`.

        Returns:
            An event that is set when it has happened.
        """
        self._sprung.clear()
        self._holds = True
        self._may_commit.clear()
        self._trap = text.encode()
        return self._sprung

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with self._lock:
                refuses = self._is_cut
            if refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
                refuses = self._is_cut
            if refuses:  # it was cut meanwhile
                self._close(pair)
                continue
            threading.Thread(target=self._forward, args=(*pair, pair, True), daemon=True).start()
            threading.Thread(
                target=self._forward, args=(server, client, pair, False), daemon=True
            ).start()

    def _forward(
        self,
        source: socket.socket,
        target: socket.socket,
        pair: tuple[socket.socket, socket.socket],
        from_client: bool,
    ) -> None:
        is_armed = False
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._may_flow.wait()
                if from_client and self._trap is not None and self._trap in data:
                    is_armed = True
                if is_armed and self._trap is not None and b"COMMIT" in data:
                    self._trap = None
                    if self._holds:
                        self._sprung.set()
                        self._may_commit.wait()
                        break
                    answered = self._swallowing[pair] = threading.Event()
                    target.sendall(data)
                    answered.wait(5)
                    break
                if pair in self._swallowing:  # this is the answer
                    self._swallowing.pop(pair).set()
                    self._sprung.set()
                    break
                target.sendall(data)
        self._close(pair)

    def _close(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _close_all(self) -> None:
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._close(pair)
