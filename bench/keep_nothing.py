"""`herkend serve` as it is, but for the keeping: what verifying alone costs in the same server."""

from flask import Flask

from plugin.cli import serve
from plugin.inbox.keeper import Keeper


class KeepNothing(serve.Loader):
    """Makes the application in the process that answers, and takes the database out of its deliveries."""

    def __call__(self) -> Flask:
        """Return the WSGI application."""
        Keeper.keep = lambda *_: True  # type: ignore[method-assign] # this is the whole point
        return super().__call__()


if __name__ == "__main__":
    serve.Loader = KeepNothing  # type: ignore[misc] # the command knows no other way to be changed
    serve.serve()
