"""`trainyard demo`: one real run, from an empty machine to a checkpoint that loads."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from rich.console import Console

from cli import tokens
from cli.client import Client
from cli.render.follow import follow
from cli.stack import endpoint
from cli.stack.stack import Stack, stop_on_signals
from core import formats
from core.errors import TrainyardError
from core.settings import Settings

PRESET = "quick"
WATCH_EVERY_S = 0.5

JSON = dict[str, Any]

# torch is loaded by a process of its own: the terminal never imports it
_LOAD_BACK = """
import json, sys, torch
checkpoint = torch.load(sys.argv[1], weights_only=True)
print(json.dumps({
    "parameters": sum(tensor.numel() for tensor in checkpoint["state_dict"].values()),
    "weights_sha256": checkpoint["weights_sha256"],
    "test_accuracy": checkpoint["metrics"]["test_accuracy"],
}))
"""


def run(settings: Settings, console: Console) -> int:
    """Run the demo on a stack of its own, or on the one that is up.

    Returns:
        The exit status: 0 where everything went well.
    """
    running = endpoint.find_running(settings.home)
    if running:
        console.print(f"Trainyard is up at {running.url}: the demo joins its queue.")
        with Client(running.url, tokens.token_for(settings, running.url)) as client:
            return train(client, settings, console)
    # nobody else is to come in meanwhile, so nobody has to log in
    alone: dict[str, Any] = {"host": "127.0.0.1", "trusted_hosts": (), "accounts": "local"}
    stack = Stack(
        settings.model_copy(update=alone),
        lambda text: console.print(text, style="dim", markup=False),
    )
    stop_on_signals(stack)
    console.print("Starting broker, dashboard and worker on this machine")
    with stack.running():
        over = threading.Event()
        outcome: list[int | BaseException] = []

        def work() -> None:
            try:
                with Client(stack.url) as client:
                    outcome.append(train(client, settings, console))
            except Exception as error:  # noqa: BLE001  (handed to the main thread)
                outcome.append(error)
            finally:
                stack.ask_to_stop()
                over.set()

        # children are watched, and started again, by the main thread alone
        threading.Thread(target=work, name="demo", daemon=True).start()
        stack.watch()
        if not over.is_set():
            console.print("Interrupted. The run resumes at the next `trainyard up`.")
            return 130
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def train(client: Client, settings: Settings, console: Console) -> int:
    """Submit, follow, download, load back."""
    job = client.post("/jobs", {"name": "demo", "preset": PRESET})
    console.print(f"Run {job['id']} is in the queue: {client.page_of(job['id'])}")
    job = follow(client, job["id"], console)
    if job["state"] != "succeeded":
        error = job["error"] or {}
        console.print(f"The run is {job['state']}. {error.get('message', '')}", markup=False)
        return 1
    file = next(each for each in client.artifacts(job["id"]) if each["format"] == "pt")
    folder = settings.home / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    target = client.download(file, folder / f"run-{job['id']}-{file['filename']}")
    facts = load_back(target)
    if facts["weights_sha256"] != job["weights_sha256"]:
        raise TrainyardError("The weights in the checkpoint are not those that were trained.")
    _report(client, job, file, target, facts, console)
    return 0


def load_back(path: Path) -> JSON:
    """Load a checkpoint with plain torch, in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-c", _LOAD_BACK, str(path)], capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise TrainyardError(f"The checkpoint does not load:\n{process.stderr}")
    facts: JSON = json.loads(process.stdout)
    return facts


def _report(
    client: Client, job: JSON, file: JSON, target: Path, facts: JSON, console: Console
) -> None:
    size, count = formats.size(file["size"]), formats.whole(facts["parameters"])
    rows = (
        ("test accuracy", formats.percent(job["test_accuracy"])),
        ("checkpoint", str(target)),
        ("size", f"{size}, {count} values, loads back"),
        ("SHA-256", file["sha256"]),
        ("run page", f"{client.page_of(job['id'])}  (while `trainyard up` runs)"),
    )
    console.print()
    for label, value in rows:
        console.print(f"{label:14} {value}", markup=False, highlight=False, soft_wrap=True)
