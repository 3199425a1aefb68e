"""A client for programs and notebooks: submit runs, wait for them, read what they made.

    from trainyard import Client

    with Client() as client:     # TRAINYARD_URL and TRAINYARD_TOKEN, or a running `up`
        run = client.submit(preset="quick", epochs=2, **{"optimizer.learning_rate": 0.05})
        run.wait()
        print(run.test_accuracy, run.history())
        run.download()

Tables are pandas DataFrames where pandas is installed, else lists of dicts. Requests that change
nothing, and submits, are sent again where an answer was lost: a submit makes one run all the same.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from cli import client as transport
from cli import tokens
from cli.stack import endpoint
from core import settings
from core.errors import NotFound, TrainyardError
from core.messages import message
from core.spec.facts import flat
from core.spec.spec import TrainingSpec, nest
from core.states import FINAL

JSON = dict[str, Any]
Table = Any
"""A pandas DataFrame, or a list of dicts where there is no pandas."""

TRIES = 5
"""Of a request whose answer is lost, or for which the server has no time."""


class RunFailed(TrainyardError):
    """A run that was waited for has failed, or was cancelled; `run` is that run."""

    def __init__(self, run: Run) -> None:
        about = {"job_id": run.id, "state": run.state}
        error = run.data.get("error")
        reason = message("client.run_ended", **about, detail=(error or {}).get("message", ""))
        super().__init__(reason)
        self.run = run


class Event(NamedTuple):
    """Something that a run's stream says: `epochs`, `points`, `logs`, `job` and others."""

    name: str
    data: Any


class Client(transport.Client):
    """Talks to one server.

    Args:
        url: its address; else TRAINYARD_URL, else that of a running `trainyard up`, else of the one
            server that `trainyard login` stored a token for.
        token: an API token; else TRAINYARD_TOKEN, else what `trainyard login` stored.
        ca: a file of certificates to believe besides those of the system.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, ca: Path | str | None = None
    ) -> None:
        # a token that is given is for the server that is named: not for one of a kept token
        named = {"url": url, "token": token}
        chosen = settings.load(**{name: text for name, text in named.items() if text})
        address = endpoint.find_url(chosen)
        shown = token or tokens.token_for(chosen, address)
        super().__init__(address, shown, ca=ca, tries=TRIES)

    def submit(
        self,
        spec: TrainingSpec | Mapping[str, Any] | None = None,
        *,
        preset: str | None = None,
        name: str | None = None,
        queue: str = "default",
        priority: int = 0,
        tags: Sequence[str] = (),
        weights_from: int | None = None,
        private: bool = False,
        **fields: Any,
    ) -> Run:
        """Queue a run.

        Args:
            spec: what to train; with a preset, single fields that are laid over it.
            preset: the spec to start from.
            name: what to call it; else the preset's name, or the dataset's.
            queue: only workers that serve it run it.
            priority: higher runs first.
            tags: words to find it by.
            weights_from: the number of a run with the same network, whose published weights it
                begins with; None: random ones.
            private: whether its owner and administrators alone see it.
            fields: single fields of the spec: `epochs=2`, `optimizer__learning_rate=0.05`, or
                `**{"optimizer.learning_rate": 0.05}`.

        Raises:
            InvalidInput: naming every wrong field; nothing was queued.
        """
        asked = _laid_over(_as_json(spec), fields)
        body = {
            "name": name or preset or str(asked.get("dataset", "run")),
            "preset": preset,
            "spec": asked,
            "queue": queue,
            "priority": priority,
            "tags": list(tags),
            **({"private": True} if private else {}),
            **({} if weights_from is None else {"weights_from": weights_from}),
        }
        key = {"Idempotency-Key": secrets.token_hex(16)}
        return Run(self, dict(self._sent("POST", "/jobs", json=body, headers=key)))

    def run(self, run_id: int) -> Run:
        """A run by its number.

        Raises:
            NotFound: there is no such run.
        """
        return Run(self, self.get(f"/jobs/{run_id}"))

    def find(self, limit: int | None = None, **selection: Any) -> Iterator[Run]:
        """The runs that are chosen, newest first or as `sort` says.

        Args:
            limit: how many at most; None: all.
            selection: as the list's address has it: `state="succeeded"`, `dataset`, `tag`, `owner`,
                `text`, `created_from`, `sort="-test_accuracy"` or `sort="optimizer.learning_rate"`,
                `filter="test_accuracy > 0.98 and optimizer.kind = adamw"`.
        """
        for number, each in enumerate(self.all("/jobs", **selection)):
            if limit is not None and number >= limit:
                return
            yield Run(self, each)

    def runs(self, limit: int | None = None, **selection: Any) -> Table:
        """The runs that are chosen, as a table: a column for each measurement and hyperparameter.

        The arguments are those of `find`.
        """
        return table([_row(run.data) for run in self.find(limit, **selection)])


class Run:
    """A run, as the server said when it was last asked; `data` is all of that."""

    def __init__(self, client: Client, data: JSON) -> None:
        self.client = client
        self.data = data

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.name!r}: {self.state}>"

    @property
    def id(self) -> int:
        """Its number."""
        return int(self.data["id"])

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.data["name"])

    @property
    def state(self) -> str:
        """queued, running, paused, succeeded, failed or cancelled."""
        return str(self.data["state"])

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL

    @property
    def spec(self) -> TrainingSpec:
        """What it trains."""
        return TrainingSpec.model_validate(self.data["spec"])

    @property
    def test_accuracy(self) -> float | None:
        """From 0 to 1, of the published weights or the last epoch; None before there is one."""
        found: float | None = self.data["test_accuracy"]
        return found

    @property
    def address(self) -> str:
        """Its page."""
        return self.client.page_of(self.id)

    def refresh(self) -> Run:
        """Ask the server again."""
        self.data = self.client.get(f"/jobs/{self.id}")
        return self

    def wait(self, timeout_s: float | None = None, *, check: bool = True) -> Run:
        """Wait until it has ended, over pauses and lost connections.

        Args:
            timeout_s: give up after so many seconds; None: never.
            check: raise where it did not succeed.

        Raises:
            RunFailed: it failed, or was cancelled.
            TimeoutError: it has not ended in time; it continues.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        for _ in self.follow(deadline):
            pass
        self.refresh()
        if not self.is_over:
            raise TimeoutError(f"Run {self.id} is still {self.state} after {timeout_s} s.")
        if check and self.state != "succeeded":
            raise RunFailed(self)
        return self

    def follow(self, deadline: float | None = None) -> Iterator[Event]:
        """What happens to it, from its begin until its end.

        Args:
            deadline: of `time.monotonic`; the events end there, at the next one.
        """
        for name, data in self.client.events(self.id, deadline):
            if name == "job":
                self.data = data
            yield Event(name, data)

    def history(self) -> Table:
        """Its epochs as a table: losses, accuracies, learning rate, seconds."""
        return table(list(self.client.all(f"/jobs/{self.id}/epochs")))

    def metrics(self) -> Table:
        """Its metric samples as a table: one a second, or a hundred batches."""
        return table(list(self.client.all(f"/jobs/{self.id}/metrics")))

    def log(self) -> list[str]:
        """The lines of its log."""
        return [str(line["text"]) for line in self.client.all(f"/jobs/{self.id}/logs")]

    def artifacts(self) -> list[JSON]:
        """The files that it has published."""
        return self.client.artifacts(self.id)

    def download(self, target: Path | str = ".", file_format: str = "pt") -> Path:
        """Save a file of it, and check its SHA-256; what was there of an earlier try is continued.

        Args:
            target: a folder, or the file's path.
            file_format: pt, safetensors, onnx or json (the card).

        Raises:
            NotFound: it has published no such file.
        """
        files = self.artifacts()
        matching = [file for file in files if file["format"] == file_format]
        if not matching:
            known = sorted({file["format"] for file in files})
            about = {"job_id": self.id, "format": file_format, "known": known}
            raise NotFound(message("run.has_no_such_file", **about))
        path = Path(target)
        if path.is_dir():
            path /= f"run-{self.id}-{Path(matching[-1]['filename']).name}"
        return self.client.download(matching[-1], path)

    def cancel(self) -> Run:
        """Ask that it be cancelled."""
        return self._asked("cancel")

    def pause(self) -> Run:
        """Ask that it be paused."""
        return self._asked("pause")

    def resume(self) -> Run:
        """Let it resume after a pause."""
        return self._asked("resume")

    def retry(self, *, from_scratch: bool = False) -> Run:
        """Give it another try after it has failed."""
        return self._asked("retry", {"from_scratch": from_scratch})

    def edit(self, **changes: Any) -> Run:
        """Change its `name`, `tags` or `notes`."""
        self.data = self.client.patch(f"/jobs/{self.id}", changes)
        return self

    def _asked(self, action: str, body: JSON | None = None) -> Run:
        self.data = self.client.post(f"/jobs/{self.id}/{action}", body)
        return self


def table(rows: Sequence[JSON]) -> Table:
    """Rows as a DataFrame where pandas is installed, else as they are."""
    if find_spec("pandas") is None:
        return list(rows)
    import pandas as pd  # noqa: PLC0415  (seldom there, and slow to import)

    return pd.DataFrame(list(rows))


def _row(job: JSON) -> JSON:
    """A run as a row: what is measured, and each hyperparameter under its dotted path."""
    plain = {name: value for name, value in job.items() if not isinstance(value, dict | list)}
    progress = {name: job["progress"][name] for name in ("epoch", "epochs")}
    tags = {"tags": ", ".join(job["tags"])}
    return {**plain, **progress, **tags, **flat(job["spec"])}


def _as_json(spec: TrainingSpec | Mapping[str, Any] | None) -> JSON:
    if isinstance(spec, TrainingSpec):
        return spec.model_dump(mode="json")
    return {} if spec is None else dict(spec)


def _laid_over(spec: JSON, fields: Mapping[str, Any]) -> JSON:
    """A spec with single fields, each by its dotted path; `__` may stand for the dot."""
    named = {path.replace("__", "."): value for path, value in fields.items()}
    return nest(flat(spec) | named)
