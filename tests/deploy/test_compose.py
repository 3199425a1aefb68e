"""The files of production by containers agree with the program. Needs no container engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from core.settings import OLD_NAMES, PREFIX, Settings, variable

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
LASTING = {name: service for name, service in SERVICES.items() if name != "migrate"}
EXAMPLE = (ROOT / ".env.example").read_text()

FIELDS = {variable(field) for field in Settings.model_fields}
# ${NAME}, ${NAME:-default}, ${NAME:?what to do}; $$ stands for a dollar sign
REFERENCE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")
# NAME=value, or # NAME=value where the line is off
EXAMPLE_LINE = re.compile(r"^(?P<off># )?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$", re.MULTILINE)


def stages() -> dict[str, tuple[str, list[str]]]:
    """The Dockerfile as name -> (what it starts from, its instructions)."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: dict[str, tuple[str, list[str]]] = {}
    for line in filter(None, re.sub(r"\\\n", " ", text).splitlines()):
        start = re.fullmatch(r"FROM (\S+) AS (\S+)", line)
        if start:
            found[start[2]] = (start[1], [])
        else:
            found[list(found)[-1]][1].append(line)
    return found


def layers(target: str) -> list[str]:
    """The instructions that end up in an image: those of its stage and of what it starts from."""
    base, own = stages()[target]
    return (layers(base) if base in stages() else []) + own


def filled_in(value: str, **given: str) -> str:
    """A value of the compose file as an engine would see it."""

    def fill(reference: re.Match[str]) -> str:
        default = reference["rest"] if reference["kind"] == "-" else "letters"
        return given.get(reference["name"], default or "")

    return REFERENCE.sub(fill, value)


def environment(service: str) -> dict[str, str]:
    """What a container gets when .env holds the secrets and nothing else."""
    values = SERVICES[service]["environment"]
    return {name: filled_in(value) for name, value in values.items() if value is not None}


def trainyard_commands() -> list[tuple[str, ...]]:
    """Each `trainyard …` that an image or a service runs, or that the comments tell to run."""
    found = {tuple(s["command"]) for s in OURS.values() if "command" in s}
    for target in ("web", "worker"):
        found |= {tuple(json.loads(i[4:])) for i in layers(target) if i.startswith("CMD ")}
    commands = re.findall(
        r"docker compose run .* (trainyard data fetch \w+)$", COMPOSE, re.MULTILINE
    )
    assert commands
    return sorted(found | {tuple(line.split()) for line in commands})


def example() -> dict[str, re.Match[str]]:
    return {line["name"]: line for line in EXAMPLE_LINE.finditer(EXAMPLE)}


def test_the_compose_file_follows_the_compose_specification() -> None:
    path = str(ROOT / "docker-compose.yml")
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("command", trainyard_commands(), ids=" ".join)
def test_each_command_that_the_containers_run_exists(command: tuple[str, ...]) -> None:
    from cli.main import main  # noqa: PLC0415  (the other tests read files alone)

    here: click.Command = main
    rest = list(command[1:])
    while isinstance(here, click.Group):
        assert rest, f"{' '.join(command)} is a group of commands"
        found = here.get_command(click.Context(here), rest.pop(0))
        assert found, f"no command: {' '.join(command)}"
        here = found
    here.make_context(here.name, rest)  # refuses arguments that the command does not take


@pytest.mark.parametrize("service", SERVICES)
def test_each_trainyard_variable_of_a_container_is_a_setting(service: str) -> None:
    ours = {n for n in SERVICES[service]["environment"] if n.startswith(PREFIX)}
    assert ours <= FIELDS | set(OLD_NAMES)


@pytest.mark.parametrize("service", OURS)
def test_the_program_accepts_the_environment_of_each_container(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FIELDS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment(service).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.database_address.startswith("postgresql")
    assert settings.port == (int(published()[2]) if service == "web" else settings.port)


def test_the_example_names_every_setting_and_no_other() -> None:
    named = {name for name in example() if name.startswith(PREFIX)}
    assert named == FIELDS | set(OLD_NAMES)


def test_the_example_names_every_variable_that_compose_reads() -> None:
    written = {reference["name"] for reference in REFERENCE.finditer(COMPOSE)}
    handed_on = {
        name
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if value is None
    }
    assert written | handed_on <= set(example())


@pytest.mark.parametrize("name", example())
def test_each_variable_of_the_example_is_explained(name: str) -> None:
    # the explanation stands above the variable, or above the group that it is in
    group = EXAMPLE[: example()[name].start()].split("\n\n")[-1]
    prose = [line for line in group.splitlines() if not EXAMPLE_LINE.match(line)]
    assert any(len(line) > 20 for line in prose), name


@pytest.mark.parametrize("field", Settings.model_fields)
def test_the_example_shows_the_default_that_the_program_has(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FIELDS:
        monkeypatch.delenv(name, raising=False)
    default = Settings()
    shown = example()[variable(field)]["value"]
    monkeypatch.setenv(variable(field), shown)
    assert getattr(Settings(), field) == getattr(default, field)


def test_the_example_shows_the_default_that_compose_has() -> None:
    for reference in REFERENCE.finditer(COMPOSE):
        if reference["kind"] == "-":
            line = example()[reference["name"]]
            assert (line["off"], line["value"]) == ("# ", reference["rest"])


def test_no_secret_has_a_default() -> None:
    for reference in REFERENCE.finditer(COMPOSE):
        if re.search("PASSWORD|SECRET", reference["name"]):
            assert reference["kind"] == "?", reference[0]
            assert reference["name"] in reference["rest"], "the message says what is missing"
            assert example()[reference["name"]]["value"] == ""
    literal = re.findall(r"^\s+\w*(?:PASSWORD|SECRET|AUTH)\w*: *(?!\$\{)\S+", COMPOSE, re.MULTILINE)
    assert not literal


def published() -> list[str]:
    (port,) = SERVICES["web"]["ports"]
    return filled_in(port).split(":")


def test_the_web_server_is_published_on_loopback_alone() -> None:
    assert published()[0] == "127.0.0.1"


def test_nothing_but_the_web_server_is_published() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
    assert not any("network_mode" in service for service in SERVICES.values())


@pytest.mark.parametrize("service", OURS)
def test_each_image_is_a_target_of_the_dockerfile(service: str) -> None:
    target = OURS[service]["build"]["target"]
    assert target in stages()
    assert OURS[service]["image"].startswith(f"trainyard-{target}:")


def test_the_web_image_never_installs_torch() -> None:
    assert any("web.lock" in line for line in layers("web"))
    assert not any("worker.lock" in line for line in layers("web"))
    lock = (ROOT / "requirements" / "web.lock").read_text()
    assert not re.search(r"^(torch|torchvision|nvidia-\S+)==", lock, re.MULTILINE)


@pytest.mark.parametrize("target", ["web", "worker"])
def test_an_image_installs_what_the_lock_says_and_nothing_else(target: str) -> None:
    for line in layers(target):
        if "pip install" in line:
            assert "--require-hashes" in line or "--no-deps --no-index" in line


@pytest.mark.parametrize("target", ["web", "worker"])
def test_an_image_runs_as_an_ordinary_user(target: str) -> None:
    user = [line for line in layers(target) if line.startswith("USER ")][-1]
    assert int(user.removeprefix("USER ").split(":")[0]) >= 1000


@pytest.mark.parametrize("service", OURS)
def test_a_container_has_no_rights_and_writes_to_its_volumes_alone(service: str) -> None:
    made = OURS[service]
    assert made["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in made["security_opt"]
    assert made["read_only"] is True
    assert not {"privileged", "user", "cap_add", "pid", "network_mode"} & set(made)
    # programs write scratch files; a network that was compiled is run from there, which a tmpfs of
    # Docker forbids
    is_worker = made["build"]["target"] == "worker"
    assert ("/tmp" in made.get("volumes", ())) == is_worker
    assert made["tmpfs"] == ([] if is_worker else ["/tmp"])


def test_the_build_context_holds_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {p.rstrip("*") for p in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    wanted |= {project["project"]["readme"], *project["project"]["license-files"]}
    build_step = project["tool"]["setuptools"]["cmdclass"]["build_py"].rpartition(".")[0]
    wanted |= {build_step.replace(".", "/") + ".py", "pyproject.toml", "requirements"}
    let_in = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert wanted == set(let_in)


@pytest.mark.parametrize("service", LASTING)
def test_a_service_that_lasts_is_watched_and_restarted_and_its_log_is_bounded(service: str) -> None:
    assert SERVICES[service]["restart"] == "unless-stopped"
    assert SERVICES[service]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert "max-size" in SERVICES[service]["logging"]["options"]
    assert re.fullmatch(r"\d+s", filled_in(SERVICES[service]["stop_grace_period"]))


@pytest.mark.parametrize("service", ["web", "worker", "worker-cpu"])
def test_the_tables_are_up_to_date_before_anything_uses_them(service: str) -> None:
    awaited = SERVICES[service]["depends_on"]
    assert awaited["migrate"]["condition"] == "service_completed_successfully"
    assert awaited["postgres"]["condition"] == "service_healthy"
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


@pytest.mark.parametrize("service", ["worker", "worker-cpu"])
def test_a_worker_is_given_longer_to_stop_than_its_runs_are(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAINYARD_GRACE_SECONDS", raising=False)
    allowed = float(filled_in(SERVICES[service]["stop_grace_period"]).removesuffix("s"))
    assert allowed >= Settings().grace_seconds + 20


def test_the_gpus_go_to_the_worker_of_the_gpu_profile_alone() -> None:
    assert [name for name, service in SERVICES.items() if "deploy" in service] == ["worker"]
    (gpus,) = SERVICES["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert "gpu" in gpus["capabilities"]
    assert SERVICES["worker"]["profiles"] == ["gpu"]
    assert SERVICES["worker-cpu"]["profiles"] == ["cpu"]
    assert not any("profiles" in s for n, s in SERVICES.items() if not n.startswith("worker"))


def test_web_and_workers_share_the_blobs_and_everything_kept_is_a_named_volume() -> None:
    named = set(yaml.safe_load(COMPOSE)["volumes"])
    mounted = {
        name: dict(v.split(":") for v in s.get("volumes", []) if v != "/tmp")
        for name, s in SERVICES.items()
    }
    assert set().union(*mounted.values()) == named
    home = "/var/lib/trainyard"
    assert f"TRAINYARD_HOME={home}" in " ".join(layers("web"))
    for service in ("web", "worker", "worker-cpu"):
        assert mounted[service]["artifacts"] == f"{home}/artifacts"


def test_redis_keeps_its_notifications_over_a_restart_and_a_full_memory() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
