"""The web application: wires the doors."""

from flask import Flask

from plugin.dashboard import pages, shell
from plugin.installation import Installation
from plugin.shops import manifest, register
from webhooks import intake


def create_app(installation: Installation) -> Flask:
    """Return the WSGI application of this installation."""
    app = Flask("plugin", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.redirect_defaults = False
    app.url_map.merge_slashes = False
    for door in (intake, register, manifest, shell, pages):
        app.register_blueprint(door.blueprint(installation))
    return app
