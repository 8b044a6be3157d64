"""The name under which a request and all that follows from it are known: the W3C's Trace Context.

https://www.w3.org/TR/trace-context/
"""

import re
import secrets
from dataclasses import dataclass, replace

FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
NO_VERSION = "ff"
SPAN_BYTES = 8


@dataclass(frozen=True, slots=True)
class Trace:
    """A place in a trace: what is done here follows from the span `span_id`; lower-case hexadecimal digits."""

    trace_id: str
    span_id: str
    flags: str

    def __str__(self) -> str:
        """Write it as the header `traceparent` has it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def child(self) -> "Trace":
        """Go on under a new span of the same trace."""
        return replace(self, span_id=_drawn())


def parse(text: str | None) -> Trace | None:
    """Read a header `traceparent`; None where there is none, or none that is valid."""
    found = FORM.fullmatch(text or "")
    if found is None:
        return None
    version, trace_id, span_id, flags = found.groups()
    if version == NO_VERSION or not (trace_id.strip("0") and span_id.strip("0")):
        return None
    return Trace(trace_id, span_id, flags)


def named(trace: Trace | None) -> dict[str, str]:
    """Return what a line of the log says of a trace."""
    return {"trace_id": trace.trace_id} if trace else {}


def _drawn() -> str:
    """Return a span's id: random, and not all zeros, which would mean none."""
    while not (drawn := secrets.token_hex(SPAN_BYTES)).strip("0"):
        pass
    return drawn
