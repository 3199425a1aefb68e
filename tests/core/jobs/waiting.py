"""Jobs that wait, workers that could run them, and what is told of them: for `status` and `eta`."""

from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import event, update

from core import workers
from core.database.clock import now
from core.database.models import Job, JobProgress
from core.jobs import claim, endings, lifecycle
from core.jobs import status as queue_status
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import Capacity
from core.jobs.claim import Claimant
from core.jobs.recorder import Recorder
from core.protocol.reports import Started, StepMetrics
from core.spec import presets
from core.workers import WorkerFacts

CPU = {"kind": "cpu", "name": "CPU"}


GPU = {"kind": "cuda", "name": "GPU"}


def submit(database, dataset="mnist", epochs=1, device="auto", devices=1, **options):
    changes = {"dataset": dataset, "epochs": epochs, "device": device, "devices": devices}
    spec = presets.resolve("quick", changes)
    return lifecycle.submit(database, LOCAL_OWNER, name="job", spec=spec, **options)


def start_worker(database, queues=("default",), devices=(CPU,), slots=1):
    facts = WorkerFacts("w", 1, "0", queues, devices, slots)
    most = Capacity.of(devices, slots, 1)
    return Claimant(workers.register(database, facts), queues, most)


def run(database, claimant, eta_s=None, held=None):
    """Claim a job, and have it report its estimated end."""
    lease = claim.claim(database, claimant, 30, held)
    recorder = Recorder(database, lease, 30)
    recorder.record(Started(device="CPU", threads=1, precision="fp32", epochs=1, batches=10))
    if eta_s is not None:
        reading = {"step": 1, "epoch": 1, "batch": 1, "train_loss": 1, "learning_rate": 0.1}
        recorder.record(StepMetrics(**reading, images_per_s=1, eta_s=eta_s))
    recorder.flush()
    return lease


def change(database, job, **values):
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job.id).values(values))


def leave_a_finished_run(database, seconds, dataset="mnist", epochs=1):
    """A run that took so long, and a worker that is gone."""
    claimant = start_worker(database)
    job = submit(database, dataset, epochs, priority=100)
    endings.succeed(database, claim.claim(database, claimant, 30), "c" * 64, [])
    change(database, job, started_at=now(-seconds), finished_at=now())
    with database.writing() as session:
        of_job = update(JobProgress).where(JobProgress.job_id == job.id)
        session.execute(of_job.values(epoch=epochs))
    workers.mark_stopped(database, claimant.worker_id)


class ShownStatus(NamedTuple):
    """A status with its reason in English."""

    position: int | None
    reason: str
    eta_s: float | None
    is_stuck: bool

    @classmethod
    def of(cls, status):
        return cls(status.position, status.with_time.text, status.eta_s, status.is_stuck)


def explain(database, *jobs):
    with database.reading() as session:
        rows = [session.get(Job, job.id) for job in jobs]
        statuses = queue_status.explain(session, rows)
    found = [ShownStatus.of(statuses[job.id]) if job.id in statuses else None for job in jobs]
    return found[0] if len(jobs) == 1 else found


@contextmanager
def counted(database):
    """The statements that are executed meanwhile."""
    statements = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine, "before_cursor_execute", note)
