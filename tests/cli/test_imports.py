"""What is loaded: the terminal and the web stay light, and nothing connects on import."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "sklearn", "numpy")


@pytest.mark.parametrize(
    "module", ["cli.main", "webui.app", "webui.__main__", "core.jobs.lifecycle"]
)
def test_importing_a_program_loads_no_torch(module):
    script = f"import sys, {module}; print([n for n in {HEAVY} if n in sys.modules])"

    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert finished.stdout.strip() == "[]"


def test_the_terminal_does_not_load_the_web():
    script = (
        "import sys, cli.main; print([n for n in ('flask', 'webui', 'worker') if n in sys.modules])"
    )

    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert finished.stdout.strip() == "[]"
