"""`python -m estctl.server`: the command `server` by itself."""

import typer

from estctl.server.command import server

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
app.command()(server)
app()
