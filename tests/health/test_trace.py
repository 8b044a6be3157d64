"""A trace is read as the W3C writes it, and goes on under its own id with a new span each time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.trace import Trace, named, parse

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE_ID}-{SPAN_ID}-01"


def digits(count: int):
    return st.text("0123456789abcdef", min_size=count, max_size=count).filter(lambda it: it.strip("0"))


def test_a_header_is_read_and_written_again():
    assert (parse(HEADER), str(parse(HEADER))) == (Trace(TRACE_ID, SPAN_ID, "01"), HEADER)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        HEADER.upper(),
        HEADER + "-more",
        HEADER + "\n",
        f" {HEADER}",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[1:]}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-1",
        f"00-{TRACE_ID[:-1]}g-{SPAN_ID}-01",
        f"00-{chr(0x661) * 32}-{SPAN_ID}-01",
        "x" * 5000,
    ],
)
def test_what_is_no_valid_header_is_none(text):
    assert parse(text) is None


@given(digits(32), digits(16), st.sampled_from(["00", "01", "03", "ff"]))
def test_a_child_keeps_trace_and_flags_and_has_a_span_of_its_own(trace_id, span_id, flags):
    trace = Trace(trace_id, span_id, flags)
    child = trace.child()
    assert (child.trace_id, child.flags, child.span_id != span_id) == (trace_id, flags, True)
    assert parse(str(child)) == child


def test_a_line_of_the_log_names_a_trace_that_there_is():
    assert (named(parse(HEADER)), named(None)) == ({"trace_id": TRACE_ID}, {})
