"""`herkend`: a module per command."""

import sys
from importlib import import_module
from typing import Any

import click

from plugin.errors import HerkendError, Invalid

# name -> the module that has it, imported only when asked for: `herkend --help` stays quick
COMMANDS = {
    "run": "plugin.cli.run",
    "serve": "plugin.cli.serve",
    "worker": "plugin.cli.worker",
    "demo": "plugin.cli.demo",
    "migrate": "plugin.cli.migrate",
    "doctor": "plugin.cli.doctor",
    "db": "plugin.cli.db",
    "deliveries": "plugin.cli.deliveries",
    "customers": "plugin.cli.customers",
    "shops": "plugin.cli.shops",
    "webhooks": "plugin.cli.webhooks",
    "keys": "plugin.cli.keys",
}


class Commands(click.Group):
    """The commands, and how their failures end: one clear sentence and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them in the order a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that is asked for."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Exit 2 on what the operator can put right in settings and arguments, 1 on anything else."""
        try:
            return super().invoke(ctx)
        except Invalid as error:
            click.echo(f"herkend: {error}", err=True)
            sys.exit(2)
        except HerkendError as error:
            click.echo(f"herkend: {error}", err=True)
            sys.exit(1)


@click.group(cls=Commands)
@click.version_option(package_name="herkend", prog_name="herkend")
def main() -> None:
    """Recognise a webshop's customers: who is new, who comes back, and why.

    Settings come from the environment; the README lists them. Exit codes: 0 done, 1 it failed, 2 a setting or an
    argument is wrong.
    """
