"""A receiver of webhooks, a server of mail, and an owner who wants to be told."""

from __future__ import annotations

import json
import socketserver
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select, update

from core.database.clock import now
from core.database.models import Delivery
from core.jobs import endings
from core.messages import plain
from core.notifications import choices, webhooks
from core.notifications.choices import Choices
from core.notifications.deliverer import Deliverer
from core.settings import Settings
from tests.core.jobs.conftest import claim, submit

OWNER = "owner"


@dataclass
class Receiver:
    """A web server that keeps what it is sent."""

    port: int
    got: list = field(default_factory=list)
    answers: list = field(default_factory=list)
    """Status, headers and body of the next ones; else 200."""
    waits_for: threading.Event | None = None

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def bodies(self):
        return [json.loads(body) for _, _, body in self.got]


@pytest.fixture
def receiver():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((self.path, dict(self.headers), body))
            if made.waits_for:
                made.waits_for.wait(60)
            status, headers, text = made.answers.pop(0) if made.answers else (200, {}, b"ok")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Receiver(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        if made.waits_for:
            made.waits_for.set()
        server.shutdown()


@dataclass
class MailServer:
    """A server of SMTP that keeps what it is sent."""

    port: int
    got: list = field(default_factory=list)
    refuses: bool = False


@pytest.fixture
def mail_server():
    class Handler(socketserver.StreamRequestHandler):
        def say(self, text):
            self.wfile.write(f"{text}\r\n".encode())

        def handle(self):
            self.say("220 here")
            for line in iter(self.rfile.readline, b""):
                word = line.split(b":")[0].split()[0].upper()
                if word == b"QUIT":
                    self.say("221 bye")
                    return
                if word == b"RCPT" and made.refuses:
                    self.say("550 nobody of this name")
                elif word == b"DATA":
                    self.say("354 go")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    made.got.append(b"".join(lines).decode())
                    self.say("250 kept")
                else:
                    self.say("250 fine")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        made = MailServer(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture
def chosen(receiver, mail_server):
    """Settings by which receiver and mail server may be reached."""
    return Settings(
        webhook_hosts="127.0.0.1",
        smtp_url=f"smtp://127.0.0.1:{mail_server.port}",
        mail_from="trainyard@lab.example",
        url="https://trains.example",
    )


@pytest.fixture
def deliver(database, chosen):
    """Delivers what is due; how many tries it took."""
    return Deliverer(database, chosen).deliver


@pytest.fixture
def hook(database, receiver):
    """A webhook that is told of everything."""
    topics = ["ended", "failed", "waited", "measured"]
    return webhooks.add(
        database, OWNER, receiver.address, "standard", topics, allowed=["127.0.0.1"]
    )


@pytest.fixture
def by_mail(database):
    """An owner who wants mail of failures."""
    choices.choose(database, OWNER, Choices({"failed": ["mail"]}, mail="ada@lab.example"))


@pytest.fixture
def fail(database, claimant):
    """A run that fails; its number."""

    def failed(name="job"):
        submit(database)
        lease = claim(database, claimant)
        endings.end(database, lease, "failed", endings.Failure("error", plain("no <data>")))
        return lease.job_id

    return failed


def deliveries(database):
    with database.reading() as session:
        return session.scalars(select(Delivery).order_by(Delivery.id)).all()


def make_due(database):
    """Let all pauses and leases be over."""
    with database.writing() as session:
        session.execute(
            update(Delivery)
            .where(Delivery.state == "waiting")
            .values(due_at=now(-1), leased_until=None)
        )
