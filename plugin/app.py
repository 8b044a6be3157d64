"""The web application: wires the doors."""

from urllib.parse import urlsplit

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from plugin.dashboard import pages, shell
from plugin.installation import Installation
from plugin.shops import manifest, register
from plugin.shops.jwks import KeySource
from webhooks import intake


def create_app(installation: Installation) -> Flask:
    """Return the WSGI application of this installation."""
    app = Flask("plugin", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.redirect_defaults = False
    app.url_map.merge_slashes = False
    keys = KeySource(
        installation.outbound
    )  # one for all doors: a shop is asked for its keys so often, not each
    for door in (intake, shell):
        app.register_blueprint(door.blueprint(installation, keys=keys))
    for open_door in (register, manifest, pages):
        app.register_blueprint(open_door.blueprint(installation))
    # Below a path: whether the proxy in front takes the path off or leaves it on.
    addresses = (installation.settings.url, installation.settings.api_url)
    paths = {path for address in addresses if (path := urlsplit(address).path.rstrip("/"))}
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, dict.fromkeys(paths, app.wsgi_app))  # type: ignore[method-assign] # Flask's own way of adding middleware
    return app
