"""What a run shows of its worker: whether that can do again what it rested from."""

from __future__ import annotations

from core import logs
from core.database.engine import Database
from core.errors import DatabaseUnavailable
from core.jobs import rests
from core.jobs.capacity import EVERYTHING, GPUS, of_dataset
from core.jobs.lease import Lease
from core.protocol.reports import Unfit

log = logs.get_logger(__name__)


def work_of(unfit_for: Unfit, lease: Lease) -> str:
    """The kind of work that a worker rests from, after what a run of that kind has reported."""
    if unfit_for == "dataset":
        return of_dataset(lease.needs.dataset)
    return GPUS if unfit_for == "device" else EVERYTHING


class Trial:
    """A run as a trial of the kinds of work that its worker rested from; of most runs, of none.

    That it trains shows that its data are there and that its device can be used. Whatever else was
    wrong, such as a full disk, may show at its end only.
    """

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._worker_id = int(lease.actor.id)
        self._open = lease.trial

    def started(self) -> None:
        """Its training has begun."""
        self._end(self._open - {EVERYTHING})

    def succeeded(self) -> None:
        """It has ended well."""
        self._end(self._open)

    def _end(self, work: frozenset[str]) -> None:
        if not work:
            return
        try:
            rests.end(self._database, self._worker_id, work)
        except DatabaseUnavailable as error:  # the next run is a trial then
            log.warning("rest_not_ended", reason=str(error))
        else:
            self._open -= work
            log.info("worker_works_again", work=sorted(work))
