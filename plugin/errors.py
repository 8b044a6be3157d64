"""Errors named by what to do about them."""


class HerkendError(Exception):
    """Anything Herkend says went wrong; the text is for the person who reads it and holds no secrets."""


class Transient(HerkendError):
    """Try again later: the outside world did not answer, or not yet.

    `retry_after` is in seconds, where the other side named it.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Throttled(Transient):
    """The other side is there and takes no more from us for a while."""


class Permanent(HerkendError):
    """Trying again does not help: a person must look."""


class Refused(HerkendError):
    """The other side does not know us, or we do not know them: no details for a stranger."""


class Invalid(HerkendError):
    """What came in is not what was asked for; the text says so in the reader's words."""
