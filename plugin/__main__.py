"""`python -m plugin` is `herkend`."""

from plugin.cli import main

main()
