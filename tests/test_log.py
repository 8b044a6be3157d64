"""What is logged reaches stderr in one shape, without secrets and bodies."""

import io
import json
import logging
import sys
from dataclasses import replace

import pytest
import structlog

from plugin import log, settings
from plugin.secret import Secret


@pytest.fixture
def lines(monkeypatch, tmp_path):
    """Configure JSON logging as a process of its own would, read what it wrote, and leave no trace."""
    monkeypatch.setenv("HERKEND_DATA", str(tmp_path))
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(logging, "root", logging.RootLogger(logging.WARNING))
    monkeypatch.setattr(logging.Logger, "manager", logging.Manager(logging.root))
    log.configure(replace(settings.read(), log_format="json"))
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_a_line_says_what_where_and_when(lines):
    structlog.get_logger("plugin.review").info("person reviewed", tier="regular")
    (line,) = lines()
    assert {name: line[name] for name in ("event", "tier", "level", "logger")} == {
        "event": "person reviewed",
        "tier": "regular",
        "level": "info",
        "logger": "plugin.review",
    }
    assert line["timestamp"].endswith("Z")


def test_the_standard_library_speaks_through_the_same_pipe(lines):
    logging.getLogger("elsewhere").warning("%s left", "somebody", extra={"token": "hunter2"})
    (line,) = lines()
    assert (line["event"], line["level"], line["token"]) == ("somebody left", "warning", "***")


@pytest.mark.parametrize(
    "said",
    [
        {"found": Secret("hunter2")},
        {"Token": "hunter2"},
        {"raw": b"hunter2"},
        {"shop": {"headers": [{"Authorization": "hunter2"}]}},
        {"keys": ["hunter2"]},
        {"several": (Secret("hunter2"), b"hunter2")},
    ],
)
def test_no_secret_and_no_body_is_logged(lines, said):
    structlog.get_logger("plugin").error("something", **said)
    assert "hunter2" not in json.dumps(lines())


def test_a_traceback_shows_no_local_variables(lines):
    def fail(text):
        raise ValueError(len(text))

    try:
        fail("hunter2")
    except ValueError:
        structlog.get_logger("plugin").exception("it failed")
    (line,) = lines()
    assert ("ValueError: 7" in line["exception"], "'hunter2'" in line["exception"]) == (True, False)


def test_what_libraries_tell_each_second_is_left_out(lines):
    logging.getLogger("procrastinate.worker").info("looking for jobs")
    assert lines() == []
