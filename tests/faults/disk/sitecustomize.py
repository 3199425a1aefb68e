"""Makes the disk of a worker and its trainers slow or full, as the files in a folder say.

Python imports a module of this name at its start; the fault suite puts this folder on the path.
Whoever flushes a file to the disk (the snapshot of a trainer, a blob) meets it.
"""

import os
import time
from pathlib import Path

_flush = os.fsync
_faults = Path(os.environ["DISK_FAULTS"])


def _flush_with_faults(descriptor: int) -> None:
    if (_faults / "full").exists():
        raise OSError(28, "No space left on device")
    while (_faults / "hangs").exists():
        time.sleep(0.005)
    _flush(descriptor)


os.fsync = _flush_with_faults
