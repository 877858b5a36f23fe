"""The command line prints names verbatim."""

from rich.table import Table

from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.drill.play.progress import for_console

NAME = "api:ok:ratio :fire: [bold]a[/bold] 1 " + "long " * 40


def test_names_are_printed_verbatim_on_one_line(capsys):
    OUTPUT.say(NAME)
    ERRORS.say(NAME, "dim")
    for_console(ERRORS, NAME).phase("starting")
    printed = capsys.readouterr()
    assert printed.out == f"{NAME}\n"
    assert printed.err == f"{NAME}\n{NAME}: starting\n"


def test_cells_of_tables_are_printed_verbatim(capsys):
    table = Table.grid()
    table.add_row("api:ok:ratio[x]")
    OUTPUT.print(table)
    assert capsys.readouterr().out.strip() == "api:ok:ratio[x]"
