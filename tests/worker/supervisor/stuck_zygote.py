"""A zygote whose trainers get stuck in a step: `CONTROL LIFELINE SCRATCH`, as the real one has.

They wait as long as a file is there, whose path is in the environment.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from worker.training.process import __main__ as zygote
from worker.training.run.step import Stepper

take = Stepper.take


def take_or_hang(self, *arguments, **options):
    if Path(os.environ["STUCK_FILE"]).exists():
        threading.Event().wait()
    return take(self, *arguments, **options)


Stepper.take = take_or_hang

if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[-3:]
    zygote.main()
