"""``python -m app`` is the command `kappafit`."""

from app.cli import main

main()
