"""The public pages of this installation that its manifest names: what it is, who helps, what it keeps, its logo."""

from flask import Blueprint, Response, render_template, send_from_directory

from plugin.dashboard import frame
from plugin.dashboard.shell import STATIC
from plugin.installation import Installation

A_DAY = 24 * 60 * 60


def blueprint(installation: Installation) -> Blueprint:
    """Open the routes that anybody may read."""
    door = frame.door("pages", installation)

    @door.get("/about", strict_slashes=False)
    def about() -> str:
        return render_template("about.html")

    @door.get("/support", strict_slashes=False)
    def support() -> str:
        return render_template("support.html")

    @door.get("/privacy", strict_slashes=False)
    def privacy() -> str:
        return render_template("privacy.html")

    @door.get("/logo.png", strict_slashes=False)
    def logo() -> Response:
        answer = send_from_directory(STATIC, "logo.png", max_age=A_DAY)
        answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # the Dashboard shows it
        return answer

    return door
