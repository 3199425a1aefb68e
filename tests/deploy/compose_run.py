"""Production tried for real: build the images, start every container, train, break, download.

    python tests/deploy/compose_run.py

Brings docker-compose.yml up under a project name of its own with secrets made for this once, looks
that our containers are not root and write to their volumes alone, makes the first account by the
link that the server prints, and a token of it, sends a run through the API, restarts PostgreSQL and
Redis while it trains, waits until it has succeeded, and checks each file against the size and
SHA-256 that the API says. Containers, volumes and networks are removed whatever happens; images
stay, as the cache of the next time.

Needs Docker with Compose, or podman with podman-compose. Two variables fit it to a machine:

TRAINYARD_COMPOSE_STAND_INS   A folder with a script `stand-ins IMAGE…` that makes the public images
                              out of what the machine has, where no registry of images can be
                              reached; its `containers.conf`, if any, is used for podman.
TRAINYARD_COMPOSE_BUILD_ARGS  More arguments for each build, such as a mount of pip's settings.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
TAG = "compose-test"
RUN = {
    "name": "compose-test",
    "preset": "quick",
    "spec": {"dataset": "digits", "batch_size": 64, "epochs": 1000},
}
# bounds of the steps, in seconds; the whole ends within their sum
BUILD_S = 1800
COMMAND_S = 300
READY_S = 120
RUN_S = 600


class Failed(Exception):
    """What did not happen, in a sentence."""


@dataclass
class Engine:
    """A container engine as found on this machine."""

    program: str
    compose: Sequence[str]
    build_arguments: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, timeout: float = COMMAND_S) -> str:
        """Run the engine, and return what it printed."""
        return self._finish([self.program, *arguments], timeout)

    def run_compose(self, *arguments: str, timeout: float = COMMAND_S) -> str:
        return self._finish([*self.compose, *arguments], timeout)

    def build(self, target: str) -> None:
        name = f"trainyard-{target}:{TAG}"
        self.run(
            *("build", "--target", target, "-t", name, *self.build_arguments, str(ROOT)),
            timeout=BUILD_S,
        )

    def _finish(self, command: list[str], timeout: float) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
            raise Failed(f"{shlex.join(command)}\nended with {done.returncode}:\n{tail}")
        return done.stdout


@dataclass
class Deployment:
    """The containers of one try."""

    engine: Engine
    project: str
    env_file: Path
    port: int

    def compose(self, *arguments: str, timeout: float = COMMAND_S) -> str:
        return self.engine.run_compose(
            *("--project-name", self.project),
            *("--env-file", str(self.env_file)),
            *("--file", str(ROOT / "docker-compose.yml")),
            *("--profile", "cpu"),
            *arguments,
            timeout=timeout,
        )

    def up(self) -> None:
        if self.engine.program == "docker":
            self.compose("up", "--detach", "--no-build")
            return
        # podman-compose cannot wait for health with podman before 4.6, nor start what depends on
        # a container that has already ended; so we wait here, in the order that the file says
        self.compose("up", "-d", "--no-build", "--no-deps", "postgres", "redis")
        until(READY_S, "postgres and redis are healthy", self.healthy, "postgres", "redis")
        self.compose("up", "-d", "--no-build", "--no-deps", "migrate")
        code = self.engine.run("wait", self.container("migrate")).strip()
        if code != "0":
            raise Failed(f"migrate ended with {code}")
        self.compose("up", "-d", "--no-build", "--no-deps", "web", "worker-cpu")

    def healthy(self, *services: str) -> bool:
        return all(self._healthy(self.container(service)) for service in services)

    def _healthy(self, container: str) -> bool:
        if self.engine.program == "docker":
            status = self.engine.run("inspect", "--format", "{{.State.Health.Status}}", container)
            return status.strip() == "healthy"
        # podman leaves the timing of health checks to systemd, which may not be there: ask now
        with contextlib.suppress(Failed):
            self.engine.run("healthcheck", "run", container)
            return True
        return False

    def container(self, service: str) -> str:
        found = self._named("ps", "-a", service=service)
        if len(found) != 1:
            raise Failed(f"expected one container of {service}, found {len(found)}")
        return found[0]

    def restart(self, *services: str) -> None:
        """Stop and start containers, as by hand or by an upgrade of the host."""
        self.engine.run("restart", *map(self.container, services))

    def down(self) -> None:
        """Remove everything of this try, whether or not Compose still knows of it."""
        try:
            self.compose("down", "--volumes", "--timeout", "20")
        except (Failed, subprocess.TimeoutExpired) as error:
            print(f"down: {error}", file=sys.stderr)
        for kind, listing in (("rm", ["ps", "-a"]), ("volume", ["volume", "ls"])):
            for name in self._named(*listing):
                remove = ["rm", "--force"] if kind == "rm" else ["volume", "rm", "--force"]
                self.engine.run(*remove, name)
        if left := self._named("ps", "-a") + self._named("volume", "ls"):
            raise Failed(f"left behind: {left}")

    def _named(self, *listing: str, service: str = "") -> list[str]:
        label = "label=com.docker.compose"
        filters = ["--filter", f"{label}.project={self.project}"]
        if service:
            filters += ["--filter", f"{label}.service={service}"]
        return self.engine.run(*listing, "--quiet", *filters).split()

    def print_logs(self) -> None:
        for name in self._named("ps", "-a"):
            logs = subprocess.run(
                [self.engine.program, "logs", "--tail", "40", name],
                env=self.engine.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=COMMAND_S,
                check=False,
            ).stdout
            print(f"-- last lines of {name}\n{logs}", file=sys.stderr)


class Timings:
    """What each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        print(f"{name} …", flush=True)
        begun = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begun

    def __str__(self) -> str:
        return "\n".join(f"{took:8.1f} s  {name}" for name, took in self.seconds.items())


def find_engine() -> Engine:
    """Docker where it answers, else podman; podman at once where stand-ins are to be made."""
    # only what the file of this try says may count: a shell's variable would outrank it
    ours = re.compile("(TRAINYARD|COMPOSE|POSTGRES|REDIS|AWS|PUBLISHED)_|IMAGE_TAG|WORKER_STOP")
    environment = {name: value for name, value in os.environ.items() if not ours.match(name)}
    arguments = shlex.split(os.environ.get("TRAINYARD_COMPOSE_BUILD_ARGS", ""))
    stand_ins = os.environ.get("TRAINYARD_COMPOSE_STAND_INS")
    if stand_ins:
        make_stand_ins(Path(stand_ins), environment)
    elif _answers("docker", "info") and _answers("docker", "compose", "version"):
        return Engine("docker", ["docker", "compose"], arguments, environment)
    beside_python = str(Path(sys.executable).parent)
    path = os.pathsep.join([beside_python, os.environ.get("PATH", os.defpath)])
    podman_compose = shutil.which("podman-compose", path=path)
    if not podman_compose or not _answers("podman", "info"):
        raise Failed("Install Docker with Compose, or podman with podman-compose.")
    return Engine("podman", [podman_compose], arguments, environment)


def make_stand_ins(folder: Path, environment: dict[str, str]) -> None:
    """Make the images that our files start from, and set podman up as the stand-ins need it."""
    text = (ROOT / "Dockerfile").read_text() + (ROOT / "docker-compose.yml").read_text()
    images = set(re.findall(r"^(?:FROM|\s+image:) ([a-z]+:[\w.-]+)", text, re.MULTILINE))
    if (folder / "containers.conf").exists():
        environment["CONTAINERS_CONF"] = str(folder / "containers.conf")
    subprocess.run(
        [folder / "stand-ins", *sorted(images)],
        env=environment,
        timeout=BUILD_S,
        check=True,
    )


def _answers(*command: str) -> bool:
    if not shutil.which(command[0]):
        return False
    return not subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


def until(seconds: float, claim: str, ask: Callable[..., Any], *arguments: Any) -> Any:
    """Ask twice a second until the answer is yes, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := ask(*arguments):
            return answer
        time.sleep(0.5)
    raise Failed(f"not within {seconds:.0f} s: {claim}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_env_file(path: Path, port: int) -> None:
    lines = {
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "REDIS_PASSWORD": secrets.token_hex(24),
        "TRAINYARD_SECRET_KEY": secrets.token_hex(32),
        "COMPOSE_PROFILES": "cpu",
        "PUBLISHED_PORT": str(port),
        "IMAGE_TAG": TAG,
        "TRAINYARD_WEB_PROCESSES": "2",
    }
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


def look_for_rights(deployment: Deployment) -> None:
    """Refuse a container of ours that is root, has a right, or can write beside its volumes."""
    for service in ("web", "worker-cpu"):
        command = "id -u; grep CapEff /proc/self/status; touch /opt/x /usr/x /var/lib/x || true"
        printed = deployment.compose("exec", "-T", service, "sh", "-c", f"({command}) 2>&1")
        user, rights = re.findall(r"^\d+$|(?<=CapEff:)\s*\w+", printed, re.MULTILINE)[:2]
        if int(user) == 0 or int(rights, 16) or printed.count("Read-only file system") != 3:
            raise Failed(f"{service} has more rights than it needs: {printed}")


def make_first_account(deployment: Deployment, api: httpx.Client) -> None:
    """Accept the link that the server prints, as a person would, and show a token from now on."""
    printed = deployment.compose("exec", "-T", "web", "trainyard", "admin", "invite")
    link = httpx.URL(printed.split()[-1]).path
    password = secrets.token_hex(16)
    token = re.search(r'name="csrf_token" value="([^"]+)"', api.get(link).text)
    if token is None:
        raise Failed(f"the invitation has no form: {link}")
    form = {"csrf_token": token[1], "name": "ada", "password": password, "again": password}
    answer = api.post(link, data=form)
    if answer.status_code != 303:
        raise Failed(f"the invitation: {answer.status_code} {answer.text}")
    api.cookies.clear()
    if api.get("/api/v1/me").status_code != 401:
        raise Failed("a stranger was let in")
    made = deployment.compose(
        *("exec", "-T", "web", "trainyard", "admin", "token", "ada", "--scope", "admin")
    )
    api.headers["Authorization"] = f"Bearer {made.split()[-1]}"


def ready(api: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return api.get("/readyz").is_success
    return False


def job(api: httpx.Client, job_id: int) -> dict[str, Any] | None:
    """The job, or None while the server cannot say: its database may be away just now."""
    with contextlib.suppress(httpx.TransportError):
        answer = api.get(f"/api/v1/jobs/{job_id}")
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        if answer.status_code < 500:
            raise Failed(f"job {job_id}: {answer.status_code} {answer.text}")
    return None


def training(api: httpx.Client, job_id: int) -> dict[str, Any] | None:
    """The job once it has trained for a while; refuses one that ended."""
    now = job(api, job_id)
    if now and now["finished_at"]:
        raise Failed(f"the run ended before anything could be restarted: {now}")
    return now if now and now["state"] == "running" and now["progress"]["fraction"] > 0 else None


def ended(api: httpx.Client, job_id: int) -> dict[str, Any] | None:
    now = job(api, job_id)
    return now if now and now["finished_at"] else None


def verify_download(api: httpx.Client, artifact: dict[str, Any]) -> None:
    digest, size = hashlib.sha256(), 0
    with api.stream("GET", f"/api/v1/artifacts/{artifact['id']}/download") as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            digest.update(chunk)
            size += len(chunk)
    if (size, digest.hexdigest()) != (artifact["size"], artifact["sha256"]):
        raise Failed(f"{artifact['filename']}: {size} bytes, {digest.hexdigest()}: {artifact}")


def check_production(deployment: Deployment, timings: Timings) -> str:
    """Everything that is promised of the containers, and a line that sums the run up."""
    with timings.step("start"):
        deployment.up()
    with httpx.Client(base_url=f"http://127.0.0.1:{deployment.port}", timeout=15) as api:
        with timings.step("wait until ready"):
            until(READY_S, "the web server is ready", ready, api)
        with timings.step("wait until healthy"):
            until(READY_S, "web and worker are healthy", deployment.healthy, "web", "worker-cpu")
        with timings.step("look for rights that nobody needs"):
            look_for_rights(deployment)
        with timings.step("make the first account, and a token"):
            make_first_account(deployment, api)
        with timings.step("submit, and train a little"):
            answer = api.post("/api/v1/jobs", json=RUN)
            if not answer.is_success:
                raise Failed(f"submit: {answer.status_code} {answer.text}")
            job_id = answer.json()["id"]
            before = until(RUN_S, "the run trains", training, api, job_id)
        with timings.step("restart postgres and redis"):
            restarted = datetime.now(UTC)
            deployment.restart("postgres", "redis")
        with timings.step("wait until the run has ended"):
            after = until(RUN_S, "the run has ended", ended, api, job_id)
        if after["state"] != "succeeded":
            raise Failed(f"the run {after['state']}: {after}")
        if datetime.fromisoformat(after["finished_at"]) < restarted:
            raise Failed("the run ended before anything was restarted: give it more epochs")
        with timings.step("download and verify"):
            artifacts = api.get(f"/api/v1/jobs/{job_id}/artifacts").json()["items"]
            if not artifacts:
                raise Failed("the run left no file")
            for artifact in artifacts:
                verify_download(api, artifact)
        with timings.step("wait until healthy again"):
            until(
                READY_S,
                "all are healthy",
                deployment.healthy,
                "postgres",
                "redis",
                "web",
                "worker-cpu",
            )
    files = ", ".join(f"{a['filename']} ({a['size']:,} bytes)" for a in artifacts)
    return (
        f"job {job_id}: {after['state']} on attempt {after['attempt']}, "
        f"test accuracy {after['test_accuracy']:.4f}; "
        f"postgres and redis restarted at {before['progress']['fraction']:.0%}; verified {files}"
    )


def main() -> None:
    """Try production, and clean up."""
    # the `finally` below must also run when we are told to stop
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    timings = Timings()
    with tempfile.TemporaryDirectory() as folder:
        with timings.step("find an engine"):
            engine = find_engine()
        for target in ("web", "worker"):
            with timings.step(f"build {target}"):
                engine.build(target)
        port = free_port()
        deployment = Deployment(
            engine, f"trainyard-test-{secrets.token_hex(4)}", Path(folder) / "env", port
        )
        write_env_file(deployment.env_file, port)
        try:
            summary = check_production(deployment, timings)
        except BaseException:
            deployment.print_logs()
            raise
        finally:
            with timings.step("take everything down"):
                deployment.down()
    print(f"\n{summary}\n\n{timings}\n\npassed with {engine.program}")


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.SubprocessError, httpx.HTTPError) as error:
        sys.exit(f"failed: {error}")
