"""Runs the first release, and keeps what it leaves behind: `python -m tests.upgrade.make_fixtures`.

A temporary git worktree of that commit runs as it did: its own web server, workers and services.
They are driven over HTTP, by signals and, where the API has no words for it, by SQL. Nothing of the
source is imported here, since the source will have moved on. Every process that is started ends
with this one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psutil
import sqlalchemy

COMMIT = "5323e45e88b0d9708ee9d2cf30be9860bcd48a2c"
FIXTURES = Path(__file__).parent / "fixtures"
LARGEST_BYTES = 1_500_000

LEASE_S = 4
TIMEOUT_S = 90.0
LONGEST_S = 600
"""All of it takes four minutes on one core."""
THREADS = 1
"""Of each trainer: the bytes of a run depend on it."""
CORE = max(os.sched_getaffinity(0))
"""Trainers share one core, which gives each of them one thread."""

JSON = dict[str, Any]

SERVICES = """
import json, sys
from contextlib import ExitStack
from pathlib import Path
from tests.services import Postgres, RedisServer, _postgres_programs
with ExitStack() as stack:
    redis = stack.enter_context(RedisServer(Path(sys.argv[1])))
    postgres = stack.enter_context(Postgres())
    addresses = {"redis": redis.url, "postgresql": postgres.new_database()}
    print(json.dumps(addresses | {"programs": str(_postgres_programs())}), flush=True)
    sys.stdin.read()
"""

WORKER = f"""
import os, runpy
os.sched_setaffinity(0, {{{CORE}}})
runpy.run_module("worker", run_name="__main__")
"""

UNDISTURBED = f"""
import json, os, sys
from pathlib import Path
import torch
from tests.faults.reference import References
os.sched_setaffinity(0, {{{CORE}}})
train = References(Path(sys.argv[1]), threads={THREADS})
weights = {{key: train(spec).weights_sha256 for key, spec in json.load(sys.stdin).items()}}
machine = {{"torch": torch.__version__, "cpu_capability": torch.backends.cpu.get_cpu_capability()}}
print(json.dumps({{"weights": weights, "machine": machine}}))
"""
"""What runs end with that nobody disturbs: one training of each spec in one process."""

# the runs: some seconds long where they are disturbed, as small as can be where they are not

DIGITS: JSON = {"dataset": "digits", "device": "cpu", "model": {"kind": "cnn", "channels": [8]}}

RICH = DIGITS | {
    "batch_size": 24,
    "accumulation": 2,
    "epochs": 10,
    "seed": 3,
    "data": {"validation": 0.1, "normalize": True},
    "model": {"kind": "cnn", "channels": [8], "kernel_size": 3, "batch_norm": True, "dropout": 0.1},
    "optimizer": {"kind": "rmsprop", "learning_rate": 0.002, "momentum": 0.5, "smoothing": 0.95},
    "schedule": {"kind": "one_cycle", "warmup": 0.25, "shape": "linear"},
    "augmentation": {"kind": "handwriting", "shift": 1.0, "rotation": 8.0, "erase": 0.1},
    "regularization": {
        "mix": "mixup",
        "mix_alpha": 0.3,
        "ema": 0.99,
        "label_smoothing": 0.05,
        "gradient_clip": 5.0,
    },
    "publishing": {"weights": "best"},
}

LONG = DIGITS | {
    "batch_size": 16,
    "epochs": 40,
    "optimizer": {"kind": "sgd", "learning_rate": 0.02, "momentum": 0.9, "nesterov": True},
    "schedule": {"kind": "step", "every": 10, "factor": 0.5, "warmup": 0.05},
}

RESIDUAL = DIGITS | {
    "device": "auto",
    "batch_size": 48,
    "epochs": 12,
    "model": {"kind": "resnet", "depth": 8, "width": 8},
    "optimizer": {"kind": "adamw"},
    "schedule": {"kind": "cosine", "floor": 0.01, "warmup": 0.1},
    "regularization": {"mix": "cutmix", "mix_alpha": 0.8},
}

FLAT = DIGITS | {
    "device": "auto",
    "batch_size": 16,
    "epochs": 30,
    "data": {"validation": 0.2},
    "model": {"kind": "mlp", "hidden": [16], "dropout": 0.2},
    "optimizer": {"kind": "muon"},
    "schedule": {"kind": "plateau", "patience": 2, "factor": 0.5},
}


@dataclass(frozen=True)
class Asked:
    """A run to submit."""

    name: str
    spec: JSON
    preset: str | None = None
    priority: int = 0
    queue: str = "default"


RUNS: dict[str, Asked] = {
    "succeeded": Asked(
        "All files",
        DIGITS
        | {
            "epochs": 4,
            "optimizer": {"kind": "adam", "learning_rate": 0.005, "weight_decay": 0.0001},
            "schedule": {"kind": "one_cycle"},
        },
    ),
    "stopped_early": Asked(
        "Stopped by its patience",
        DIGITS
        | {
            "epochs": 60,
            "data": {"validation": 0.2, "subset": 600},
            "optimizer": {"kind": "adam", "learning_rate": 0.05},
            "schedule": {"kind": "plateau", "patience": 1, "factor": 0.5},
            "stopping": {"patience": 3},
            "publishing": {"weights": "best", "onnx": False},
        },
    ),
    "reached_target": Asked(
        "Stopped at its target",
        {"data": {"validation": 0.2}, "stopping": {"target_accuracy": 0.9}, "device": "cpu"},
        preset="digits_seconds",
    ),
    "out_of_time": Asked(
        "Stopped by the clock",
        DIGITS | {"epochs": 1000, "batch_size": 16, "stopping": {"time_limit_s": 0.5}},
    ),
    "diverged": Asked(
        "Diverged late, with a snapshot",
        DIGITS
        | {
            "batch_size": 16,
            "epochs": 100,
            "loss": "multi_margin",
            "model": {"kind": "mlp", "hidden": [8]},
            "optimizer": {"kind": "sgd", "learning_rate": 10, "weight_decay": 0.5},
            "schedule": {"kind": "constant", "warmup": 0.9},
        },
    ),
    "cancelled": Asked("Größer & <b>wider</b> — ½", LONG | {"epochs": 1000}),
    "paused": Asked("Paused within an epoch", RICH),
    "failed": Asked("Its process was killed three times", RESIDUAL),
    "recovered": Asked("Lost its worker and a snapshot", LONG | {"seed": 5}),
    "backing_off": Asked("Waits for its second try", LONG | {"seed": 6}, priority=5, queue="night"),
    "drained": Asked("Handed back", FLAT, queue="night"),
    "killed": Asked("Its worker was killed", FLAT | {"seed": 8}),
    "killed_cancelling": Asked("Cancelled when its worker was dead", LONG | {"seed": 9}),
    "queued": Asked("Waits", RICH | {"epochs": 2, "device": "auto"}, priority=-3),
    "queued_first": Asked("Waits in front", DIGITS | {"epochs": 2}, priority=900),
    "queued_unserved": Asked("Waits where nobody comes", DIGITS | {"epochs": 2}, queue="gpu.large"),
    "queued_for_two": Asked(
        "Waits for two devices", DIGITS | {"epochs": 2, "devices": 2, "batch_size": 32}
    ),
    "paused_waiting": Asked("Paused before it began", DIGITS | {"epochs": 2, "seed": 1}),
    "cancelled_waiting": Asked("Cancelled before it began", DIGITS | {"epochs": 2}),
}

DEPENDS_ON_TIME = {"out_of_time"}
NEVER_FINISHED = {"diverged", "cancelled", "killed_cancelling", "cancelled_waiting"}
"""Nobody lets these go on."""
ON_TWO_DEVICES = {"queued_for_two"}
"""Trained by two processes, which the undisturbed runs are not."""


def main() -> None:
    """Make the fixtures of both databases."""
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _stop)
    signal.alarm(LONGEST_S)
    FIXTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="trainyard-upgrade-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with _release(folder) as release, _services(release) as services:
            left = [_leave_behind(release, services, kind) for kind in ("sqlite", "postgresql")]
            undisturbed = _undisturbed(release, left[0])
            for each in left:
                _write_expected(each, undisturbed)
    sizes = {path.name: path.stat().st_size for path in sorted(FIXTURES.iterdir())}
    print(json.dumps(sizes, indent=2))
    assert sum(sizes.values()) < LARGEST_BYTES, "too large for a repository"


def _stop(number: int, _frame: object) -> NoReturn:
    """End by an exception, so that everything that was started ends too."""
    sys.exit(f"ended by {signal.Signals(number).name}")


# the old release


@dataclass(frozen=True)
class Release:
    """A checkout of the commit, and where its programs may write."""

    source: Path
    folder: Path

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The environment of a program: none of our own settings, these alone."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith("TRAINYARD_")}
        # the second folder says which version is installed
        path = os.pathsep.join((str(self.source), str(self.folder / "installed")))
        return ours | {"PYTHONPATH": path} | {f"TRAINYARD_{k}": v for k, v in settings.items()}

    def run(self, program: str, *arguments: str, said: str = "", **settings: str) -> str:
        """Run a small program to its end, and give what it wrote."""
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=self.source,
            env=self.environment(settings),
            input=said,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    @contextlib.contextmanager
    def running(
        self, name: str, command: Sequence[str], settings: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A program, until the end of the block. What it said is shown where the block fails."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=self.source,
                env=self.environment(settings),
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
            )
        try:
            yield process
        except BaseException:
            print(f"--- {name}", log.read_text(errors="replace")[-3000:], sep="\n", file=sys.stderr)
            raise
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    process.kill()
    process.wait()


@contextlib.contextmanager
def _release(folder: Path) -> Iterator[Release]:
    """A worktree of the commit, removed at the end of the block."""
    source = folder / "trainyard"
    git = ("git", "-C", str(Path(__file__).parent), "worktree")
    subprocess.run([*git, "add", "--detach", "--quiet", str(source), COMMIT], check=True)
    try:
        version = tomllib.loads((source / "pyproject.toml").read_text())["project"]["version"]
        about = folder / "installed" / f"trainyard-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: trainyard\nVersion: {version}\n"
        )
        yield Release(source, folder)
    finally:
        subprocess.run([*git, "remove", "--force", str(source)], check=True)


@contextlib.contextmanager
def _services(release: Release) -> Iterator[JSON]:
    """Redis and PostgreSQL, as that commit's tests start them: their addresses."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICES, str(release.folder)],
        cwd=release.source,
        env=release.environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.communicate(timeout=60)  # the end of its input ends it


# one database


@dataclass
class Stack:
    """The release at work on one database."""

    release: Release
    kind: str
    home: Path
    settings: dict[str, str]
    database: sqlalchemy.Engine
    api: httpx.Client
    ids: dict[str, int]

    def get(self, path: str, **parameters: Any) -> Any:
        """Ask the API."""
        return self.api.get(path, params=parameters).raise_for_status().json()

    def items(self, key: str, what: str) -> list[JSON]:
        """The rows of one kind that belong to a run."""
        page: JSON = self.get(f"jobs/{self.ids[key]}/{what}", limit=1000)
        assert page["next"] is None
        rows: list[JSON] = page["items"]
        return rows

    def rows(self, statement: str, **values: Any) -> list[JSON]:
        """Ask the database itself."""
        with self.database.connect() as connection:
            found = connection.execute(sqlalchemy.text(statement), values)
            return [dict(row) for row in found.mappings()]

    def submit(self, *keys: str) -> None:
        """Submit runs."""
        for key in keys:
            answer = self.api.post("jobs", json=asdict(RUNS[key]))
            assert answer.is_success, answer.text
            self.ids[key] = answer.json()["id"]

    def job(self, key: str) -> JSON:
        """A run as it is now."""
        found: JSON = self.get(f"jobs/{self.ids[key]}")
        return found

    def ask(self, key: str, what: str, by: str) -> None:
        """Pause, resume, cancel or retry a run."""
        self.api.post(f"jobs/{self.ids[key]}/{what}", json={"by": by}).raise_for_status()

    def wait_for(self, key: str, state: str) -> None:
        """Wait until a run is in a state."""

        def is_so() -> bool:
            found = self.job(key)["state"]
            assert found in (state, "queued", "running"), f"{key} is {found}, not {state}"
            return bool(found == state)

        _wait_until(is_so, f"{key} is {state}")

    def wait_for_epoch(self, key: str, epoch: int) -> None:
        """Wait until a run trains, and has done some epochs."""
        _wait_until(
            lambda: self._is_running(key) and self.job(key)["progress"]["epoch"] >= epoch,
            f"{key} trains",
        )

    def wait_for_snapshots(self, key: str, count: int) -> None:
        """Wait until a run trains, and has some snapshots."""
        _wait_until(
            lambda: self._is_running(key) and len(self.snapshots(key)) >= count,
            f"{key} has {count} snapshots",
        )

    def _is_running(self, key: str) -> bool:
        state = self.job(key)["state"]
        assert state in ("queued", "running"), f"{key} is {state} already"
        return bool(state == "running")

    def snapshots(self, key: str) -> list[JSON]:
        """The snapshots that a run may go on from, newest first."""
        return self.rows(
            "SELECT attempt, step, epoch, size, sha256 FROM resume_points"
            " WHERE job_id = :job AND discarded_at IS NULL ORDER BY step DESC",
            job=self.ids[key],
        )

    @contextlib.contextmanager
    def worker(self, name: str, **settings: str) -> Iterator[Worker]:
        """A worker that serves; at the end of the block it drains, if it lives."""
        chosen = self.settings | {"WORKER_NAME": name, "SLOTS": "1"} | settings
        command = ["-c", WORKER]
        with self.release.running(f"{self.kind}-{name}", command, chosen) as process:
            _wait_until(lambda: self._is_there(name), f"{name} is there")
            yield Worker(process)

    def _is_there(self, name: str) -> bool:
        found = [each for each in self.get("workers")["items"] if each["name"] == name]
        kinds = {device["kind"] for each in found for device in each["devices"]}
        assert kinds <= {"cpu"}, "make the fixtures on a machine without a GPU"
        return bool(found)


class Worker:
    """A worker that runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def kill_trainers(self) -> None:
        """Kill what its zygote has forked."""
        [zygote] = psutil.Process(self._process.pid).children()
        for trainer in zygote.children():
            trainer.kill()

    def kill(self) -> None:
        """Kill it outright; return when all that it has started is gone too."""
        started = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        _gone, left = psutil.wait_procs(started, timeout=TIMEOUT_S)
        assert not left, f"outlived its worker: {left}"


def _wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.03)


@dataclass(frozen=True)
class LeftBehind:
    """What there is to say of a fixture, and the data folder that its runs used."""

    kind: str
    data: Path
    content: JSON


def _leave_behind(release: Release, services: JSON, kind: str) -> LeftBehind:
    """Have the release do everything on one database, and keep what is there then."""
    home = release.folder / f"home-{kind}"
    home.mkdir()
    address = services["postgresql"] if kind == "postgresql" else f"sqlite:///{home}/trainyard.db"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "HOME": str(home),
        "PORT": str(port),
        "DATABASE_URL": address,
        "REDIS_URL": services["redis"],
        "LEASE_SECONDS": str(LEASE_S),
    }
    release.run("from cli.main import main; main()", "db", "upgrade", **settings)
    database = sqlalchemy.create_engine(address)
    url = f"http://127.0.0.1:{port}"
    with (
        release.running(f"{kind}-web", ["-m", "webui"], settings),
        httpx.Client(base_url=f"{url}/api/v1/", trust_env=False, timeout=30) as api,
    ):
        _wait_until(lambda: _answers(api, f"{url}/readyz"), "the web server answers")
        stack = Stack(release, kind, home, settings, database, api, {})
        previews = _make_runs(stack)
        _take_paths_out(stack)
        content = _describe_all(stack, previews)
    database.dispose()
    _pack(stack, services)
    return LeftBehind(kind, home / "data", content)


def _answers(api: httpx.Client, url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return api.get(url).is_success
    return False


# what happens


def _make_runs(stack: Stack) -> JSON:
    """Bring every run into its state. Gives the keys of the previews."""
    with stack.worker("ada") as ada:
        previews = _draw_previews(stack)
        _finish_runs(stack)
        _cancel_while_training(stack)
        _pause_within_an_epoch(stack)
        _crash_until_failed(stack, ada)
        _lose_worker(stack, ada)
    with stack.worker("grace"):
        stack.wait_for("recovered", "succeeded")
    with stack.worker("hopper", QUEUES="night,weekend") as hopper:
        _back_off(stack, hopper)
        stack.wait_for_snapshots("drained", 1)
    stack.wait_for("drained", "queued")
    with stack.worker("lise", SLOTS="2") as lise:
        _kill_worker(stack, lise)
    _leave_queued(stack)
    return previews | {"waiting": _ask_for_preview(stack, "digits", seed=2)}


def _draw_previews(stack: Stack) -> JSON:
    drawn = _ask_for_preview(stack, "digits", seed=1)
    failed = _ask_for_preview(stack, "mnist", seed=1)

    def is_done(key: str) -> bool:
        [row] = stack.rows("SELECT image, error FROM previews WHERE key = :key", key=key)
        return any(value is not None for value in row.values())

    _wait_until(lambda: is_done(drawn) and is_done(failed), "previews are drawn, or not")
    return {"drawn": drawn, "failed": failed}


def _ask_for_preview(stack: Stack, dataset: str, seed: int) -> str:
    asked = {"dataset": dataset, "augmentation": {"kind": "handwriting"}, "seed": seed}
    key: str = stack.api.post("previews", json=asked).raise_for_status().json()["key"]
    return key


def _finish_runs(stack: Stack) -> None:
    stack.submit("succeeded", "stopped_early", "reached_target", "out_of_time", "diverged")
    stack.wait_for("diverged", "failed")
    assert stack.snapshots("diverged")


def _cancel_while_training(stack: Stack) -> None:
    stack.submit("cancelled")
    stack.wait_for_epoch("cancelled", 1)
    stack.ask("cancelled", "cancel", by="ada")
    stack.wait_for("cancelled", "cancelled")


def _pause_within_an_epoch(stack: Stack) -> None:
    stack.submit("paused")
    stack.wait_for_epoch("paused", 2)
    stack.ask("paused", "pause", by="Ada Lovelace")
    stack.wait_for("paused", "paused")
    [newest, *_] = stack.snapshots("paused")
    batches = stack.job("paused")["progress"]["batches"]
    assert newest["step"] % batches, "it was paused between two epochs; try again"


def _crash_until_failed(stack: Stack, worker: Worker) -> None:
    """Kill a run's trainers until its budget of crashes is spent."""
    stack.submit("failed")
    stack.wait_for_snapshots("failed", 1)

    def is_killed_again() -> bool:
        state = stack.job("failed")["state"]
        if state == "running":
            worker.kill_trainers()
        return bool(state == "failed")

    _wait_until(is_killed_again, "failed has failed")


def _lose_worker(stack: Stack, worker: Worker) -> None:
    """Kill a worker, and damage the newest snapshot of its run."""
    stack.submit("recovered")
    stack.wait_for_snapshots("recovered", 2)
    worker.kill()
    [newest, _] = stack.snapshots("recovered")
    blob = stack.home / "artifacts" / newest["sha256"][:2] / newest["sha256"]
    blob.write_bytes(blob.read_bytes()[:-1])


def _back_off(stack: Stack, worker: Worker) -> None:
    """Kill a run's trainer, with another that takes its slot, so that it waits for good."""
    stack.submit("backing_off")
    stack.wait_for_epoch("backing_off", 1)
    stack.submit("drained")
    worker.kill_trainers()
    stack.wait_for("backing_off", "queued")


def _kill_worker(stack: Stack, worker: Worker) -> None:
    """Kill a worker and its runs, and ask too late that one of them be cancelled."""
    keys = ("killed", "killed_cancelling")
    stack.submit(*keys)
    for key in keys:
        stack.wait_for_snapshots(key, 1)
    worker.kill()
    stack.ask("killed_cancelling", "cancel", by="lise")


def _leave_queued(stack: Stack) -> None:
    stack.submit("queued", "queued_first", "queued_unserved", "queued_for_two")
    stack.submit("paused_waiting", "cancelled_waiting")
    stack.ask("paused_waiting", "pause", by="ada")
    stack.ask("cancelled_waiting", "cancel", by="ada")


# what is kept


def _take_paths_out(stack: Stack) -> None:
    """Write no folder of this machine into a fixture: tracebacks and sentences name some."""
    folders = {str(stack.release.folder): "/srv", sys.prefix: "/usr"}
    columns = {
        "jobs": ("error_message", "error_traceback"),
        "attempts": ("reason",),
        "log_lines": ("text",),
        "previews": ("error",),
    }
    with stack.database.begin() as connection:
        for table, names in columns.items():
            for name in names:
                for folder, instead in folders.items():
                    connection.execute(
                        sqlalchemy.text(
                            f"UPDATE {table} SET {name} = replace({name}, :folder, :instead)"
                        ),
                        {"folder": folder, "instead": instead},
                    )


def _describe_all(stack: Stack, previews: JSON) -> JSON:
    return {
        "commit": COMMIT,
        "threads": THREADS,
        "rows": _count_rows(stack),
        "previews": previews,
        "runs": {key: _describe(stack, key) for key in RUNS},
    }


def _count_rows(stack: Stack) -> dict[str, int]:
    tables = sorted(sqlalchemy.inspect(stack.database).get_table_names())
    return {
        table: stack.rows(f"SELECT count(*) AS count FROM {table}")[0]["count"] for table in tables
    }


def _describe(stack: Stack, key: str) -> JSON:
    job = stack.job(key)
    kept = (
        *("id", "name", "state", "desired", "queue", "priority", "attempt", "stop_reason"),
        *("error", "weights_sha256", "spec"),
    )
    attempts = stack.items(key, "attempts")
    shown = ("number", "worker", "outcome", "reason", "threads", "precision", "first_step")
    evaluation = stack.api.get(f"jobs/{job['id']}/evaluation")
    return {name: job[name] for name in kept} | {
        "attempts": [{name: each[name] for name in shown} for each in attempts],
        "warnings": [row["text"] for row in stack.items(key, "logs") if row["level"] == "warning"],
        "snapshots": stack.snapshots(key),
        "downloads": [_download(stack, row) for row in stack.items(key, "checkpoints")],
        "evaluated_accuracy": evaluation.json()["accuracy"] if evaluation.is_success else None,
        "positions": _positions(stack, job),
    }


def _download(stack: Stack, row: JSON) -> JSON:
    """A file, with the digest of what the server sends."""
    sent = stack.api.get(f"checkpoints/{row['id']}/download").raise_for_status().content
    sha256 = hashlib.sha256(sent).hexdigest()
    assert sha256 == row["sha256"]
    return {name: row[name] for name in ("id", "format", "filename", "size", "sha256", "epoch")}


def _positions(stack: Stack, job: JSON) -> JSON:
    """Two ids that a page would send back: after the first event, and after all there was."""
    revision = str(
        stack.rows("SELECT revision FROM jobs WHERE id = :id", id=job["id"])[0]["revision"]
    )
    ids: list[str] = []
    with stack.api.stream("GET", f"jobs/{job['id']}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("id: "):
                ids.append(line.removeprefix("id: "))
            if ids and not line and ids[-1].split(".")[0] == revision:
                break
    return {"first": ids[0], "last": ids[-1]}


def _undisturbed(release: Release, left: LeftBehind) -> JSON:
    """The digests of the weights that runs end with when nobody disturbs them."""
    left_out = DEPENDS_ON_TIME | NEVER_FINISHED | ON_TWO_DEVICES
    runs = left.content["runs"]
    specs = {key: run["spec"] for key, run in runs.items() if key not in left_out}
    found: JSON = json.loads(release.run(UNDISTURBED, str(left.data), said=json.dumps(specs)))
    return found


def _write_expected(left: LeftBehind, undisturbed: JSON) -> None:
    content = left.content | {"machine": undisturbed["machine"]}
    for key, run in content["runs"].items():
        run["undisturbed_weights_sha256"] = undisturbed["weights"].get(key)
        if run["state"] == "succeeded" and key not in DEPENDS_ON_TIME:
            assert run["weights_sha256"] == run["undisturbed_weights_sha256"], key
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (FIXTURES / f"{left.kind}.json").write_text(text + "\n")


def _pack(stack: Stack, services: JSON) -> None:
    """Write an archive: equal contents give equal bytes."""
    if stack.kind == "postgresql":
        files = {"database.sql": _statements(stack, services)}
    else:
        files = {"trainyard.db": _file_of(stack)}
    blobs = stack.home / "artifacts"
    for path in sorted(path for path in blobs.rglob("*") if path.is_file()):
        files[str(path.relative_to(stack.home))] = path.read_bytes()
    with tarfile.open(FIXTURES / f"{stack.kind}.tar.xz", "w:xz", preset=9) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def _file_of(stack: Stack) -> bytes:
    """The file of an SQLite database, with what its log still holds."""
    engine = sqlalchemy.create_engine(stack.settings["DATABASE_URL"])
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return (stack.home / "trainyard.db").read_bytes()


def _statements(stack: Stack, services: JSON) -> bytes:
    """A PostgreSQL database as statements that any client can send, psql or not."""
    program = shutil.which("pg_dump") or f"{services['programs']}/pg_dump"
    address = stack.settings["DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://")
    options = ("--inserts", "--rows-per-insert=50", "--no-owner", "--no-privileges")
    dump = subprocess.run([program, *options, address], check=True, stdout=subprocess.PIPE).stdout
    # psql's own commands, and a setting that servers before version 17 do not know
    not_for_all = (b"\\restrict ", b"\\unrestrict ", b"SET transaction_timeout ")
    return b"".join(
        line for line in dump.splitlines(keepends=True) if not line.startswith(not_for_all)
    )


if __name__ == "__main__":
    main()
