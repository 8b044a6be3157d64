"""The web application: wires the doors."""

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from plugin.dashboard import pages, shell
from plugin.guard import Failures
from plugin.headers import guarded
from plugin.health import door as health
from plugin.installation import Installation
from plugin.outbound import Limits, Outbound
from plugin.settings import Settings
from plugin.shops import manifest, register
from plugin.shops.jwks import KeySource
from plugin.spans import taking_in
from webhooks import intake

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


# Somebody waits for the answer, Saleor for 18 seconds, and a stranger may have chosen who is asked.
BRISK = Limits(connect=2.0, read=8.0, patience=8.0, most_bytes=1024 * 1024)


def create_app(installation: Installation) -> Flask:
    """Return the WSGI application of this installation."""
    app = Flask("plugin", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.redirect_defaults = False
    app.url_map.merge_slashes = False
    settings = installation.settings
    brisk = Outbound(allow_networks=settings.allow_networks, ca_file=settings.ca_file, limits=BRISK)
    installation = replace(installation, outbound=brisk)
    # One of each for all doors: a shop is asked for its keys, and a caller may fail, so often, not so often at each.
    keys, failures = KeySource(brisk), Failures()
    deliveries = intake.Door(installation, keys=keys, failures=failures)
    app.register_blueprint(intake.blueprint(deliveries))
    app.register_blueprint(shell.blueprint(installation, keys=keys, failures=failures))
    app.register_blueprint(register.blueprint(installation, failures=failures))
    for open_door in (manifest, pages, health):
        app.register_blueprint(open_door.blueprint(installation))
    app.wsgi_app = intake.in_front(app.wsgi_app, deliveries)  # type: ignore[assignment, method-assign] # Flask's own way of adding middleware
    app.wsgi_app = taking_in(app.wsgi_app, spans=installation.spans)  # type: ignore[assignment, method-assign] # the same
    app.wsgi_app = _reached(app.wsgi_app, settings=settings)  # type: ignore[assignment, method-assign] # Flask's own way of adding middleware
    return app


def _reached(app: "WSGIApplication", *, settings: Settings) -> "WSGIApplication":
    """Return the application as it is reached: below a path, through proxies, and guarded whatever it answers."""
    # Whether the proxy in front takes the path off or leaves it on.
    paths = {
        path for address in (settings.url, settings.api_url) if (path := urlsplit(address).path.rstrip("/"))
    }
    app = DispatcherMiddleware(app, dict.fromkeys(paths, app))
    if settings.trusted_proxies:  # the caller's address and nothing else: our own stands in HERKEND_URL
        app = ProxyFix(app, x_for=settings.trusted_proxies, x_proto=0, x_host=0, x_port=0, x_prefix=0)
    return guarded(app, settings=settings)
