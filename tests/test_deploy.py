"""The image and the compose file: what they name is there, and nothing has more rights than it needs."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from plugin.cli import COMMANDS
from plugin.cluster import INITDB, MAJOR
from plugin.lifeline import GRACE_SECONDS
from tests.test_docs import settings_in_readme

ROOT = Path(__file__).parents[1]
UID = "10001"
OUR_USER = f"{UID}:{UID}"
OURS = ("migrate", "web", "worker")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with its arguments on one line."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#")).replace("\\\n", " ")
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


def named(word: str) -> list[str]:
    return [rest for found, rest in instructions() if found == word]


def last_stage() -> list[tuple[str, str]]:
    whole = instructions()
    begin = max(place for place, (word, _) in enumerate(whole) if word == "FROM")
    return whole[begin:]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in named("ENV") for pair in shlex.split(rest))


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture(params=("postgres", *OURS))
def service(request, compose):
    return compose["services"][request.param]


@pytest.fixture(params=OURS)
def ours(request, compose):
    return compose["services"][request.param]


# The image


def copied() -> list[str]:
    """What is copied from the repository, rather than from another stage."""
    return [name for rest in named("COPY") if not rest.startswith("--from") for name in rest.split()[:-1]]


def test_what_the_image_copies_is_there_and_is_let_through_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert [name for name in copied() if not (ROOT / name).exists()] == []
    assert set(copied()) == let_through


def test_what_was_made_here_stays_out_of_the_image():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"**/node_modules", "**/__pycache__", "**/*.mo", "plugin/dashboard/static/bundle"} <= set(ignored)


def test_a_secret_is_never_committed_by_accident():
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_all_that_the_package_is_built_from_is_copied():
    project = (ROOT / "pyproject.toml").read_text()
    packages = json.loads(
        re.search(r"^packages = (\[.*\])$", project.split("targets.wheel]")[1], re.MULTILINE)[1]
    )
    needed = {*packages, "frontend", "manifest.json", "pyproject.toml", "README.md", "requirements.txt"}
    assert needed - set(copied()) == set()


def test_only_pinned_packages_with_their_hashes_are_installed():
    (pins,) = [json.loads(rest) for rest in named("RUN") if "requirements.txt" in rest]
    assert ("--require-hashes" in pins, "--no-deps" in pins) == (True, True)


def test_no_shell_stands_between_the_image_and_what_it_runs():
    commands = [rest for word, rest in instructions() if word in {"RUN", "CMD", "ENTRYPOINT"}]
    assert all(isinstance(json.loads(rest), list) for rest in commands)


def test_the_image_runs_a_command_that_exists_as_an_ordinary_user():
    stage = dict(last_stage())
    assert (json.loads(stage["ENTRYPOINT"]), stage["USER"], stage["STOPSIGNAL"]) == (
        ["herkend"],
        OUR_USER,
        "SIGTERM",
    )
    assert json.loads(stage["CMD"])[0] in COMMANDS


def test_the_user_has_a_name_and_the_data_folder_is_that_user_s_volume():
    made = [json.loads(rest) for word, rest in last_stage() if word == "RUN"]
    (user,) = [run for run in made if run[0] == "useradd"]
    (folder,) = [run for run in made if run[0] == "install"]
    assert (user[user.index("--uid") + 1], folder[-1]) == (
        UID,
        dict(last_stage())["VOLUME"],
    )
    assert environment()["HERKEND_DATA"] == folder[-1]


def test_the_image_sets_only_settings_that_exist():
    assert {name for name in environment() if name.startswith("HERKEND_")} <= settings_in_readme()


def test_the_health_check_asks_a_route_that_exists(client):
    check = json.loads(named("HEALTHCHECK")[0].partition("CMD")[2])
    (route,) = re.findall(r"'GET', '([^']+)'", check[-1])
    assert client.get(route).status_code == 200


# The services


def test_every_service_is_confined(service):
    confined = (service["read_only"], service["cap_drop"], service["security_opt"], service["init"])
    assert confined == (True, ["ALL"], ["no-new-privileges:true"], True)
    assert service["user"] not in {"root", "0", "0:0"}
    assert "privileged" not in service


def test_every_log_has_an_end(service):
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])


def test_ours_run_commands_that_exist_as_the_image_s_user(ours):
    assert (ours["command"][0] in COMMANDS, ours["user"]) == (True, OUR_USER)


def test_ours_are_told_every_setting_that_matters_and_no_other(ours):
    told = set(ours["environment"])
    own = {"HERKEND_DATA"}  # the embedded database is not used, nor is its folder
    assert told == settings_in_readme() - own


def test_every_setting_is_handed_on_under_its_own_name(ours):
    for name, value in ours["environment"].items():
        taken = set(re.findall(r"\$\{(\w+)", value)) - {"POSTGRES_PASSWORD"}
        assert taken <= {name}


def test_what_must_be_set_is_asked_for_and_no_secret_has_a_default(compose):
    text = (ROOT / "compose.yaml").read_text()
    for name in ("HERKEND_URL", "HERKEND_KEYS", "POSTGRES_PASSWORD"):
        assert set(re.findall(rf"\${{{name}(:?[-?+]?)", text)) == {":?"}
    assert "HERKEND_METRICS_TOKEN:-}" in text
    del compose


def test_the_port_is_open_to_this_machine_alone(compose):
    ports = {name: it.get("ports", []) for name, it in compose["services"].items()}
    assert {name for name, opened in ports.items() if opened} == {"web"}
    assert all(port.startswith("127.0.0.1:") for port in ports["web"])
    assert all(
        port.endswith(":" + compose["services"]["web"]["environment"]["HERKEND_PORT"])
        for port in ports["web"]
    )


def test_the_database_is_reached_from_inside_alone(compose):
    assert compose["services"]["postgres"]["networks"] == ["inside"]
    assert compose["networks"]["inside"] == {"internal": True}


def test_the_database_is_made_as_the_embedded_one_is(compose):
    asked_for = compose["services"]["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    assert set(asked_for) <= set(INITDB)
    assert compose["services"]["postgres"]["image"].startswith(f"postgres:{MAJOR}-")


def test_nothing_of_ours_starts_before_the_database_is_migrated(compose):
    services = compose["services"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("web", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert services[name]["restart"] == "unless-stopped"
    assert services["migrate"]["restart"] == "no"


def test_a_graceful_stop_has_the_time_it_takes(compose):
    seconds = {"30s": 30, "1m": 60, "2m": 120}
    for name in ("web", "worker"):
        assert seconds[compose["services"][name]["stop_grace_period"]] > 2 * GRACE_SECONDS
