"""The program: every command is found, and none imports what only others need."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli import main as program
from cli.commands import stack


def test_the_commands_of_the_stack_are_those_that_are_looked_for_there():
    assert {command.name for command in stack.COMMANDS} == set(program._OF_STACK)


@pytest.mark.parametrize("name", ["up", "submit", "data", "doctor"])
def test_a_command_of_each_module_is_found(name):
    answer = CliRunner().invoke(program.main, [name, "--help"])

    assert answer.exit_code == 0
    assert answer.output.startswith(f"Usage: main {name}")


def test_a_command_that_does_not_exist_is_told():
    answer = CliRunner().invoke(program.main, ["upp"])

    assert answer.exit_code == 2
    assert "No such command 'upp'" in answer.output


def test_up_starts_the_dashboard_before_it_imports_what_is_slow():
    code = (
        "import sys\n"
        "from cli.main import main\n"
        "main(['up', '--help'], standalone_mode=False)\n"
        "print(sorted({'sqlalchemy', 'celery', 'redis', 'httpx', 'torch'} & set(sys.modules)))"
    )

    printed = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert printed.splitlines()[-1] == "[]"
