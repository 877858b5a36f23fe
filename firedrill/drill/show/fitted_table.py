"""A table that fits the terminal: it drops its least important columns and wraps texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from firedrill.drill.show import column_widths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and how it is laid out."""

    heading: str
    is_number: bool = False
    """Numbers stand to the right and are never broken."""
    keep_whole: bool = False
    """Whether the text is never broken; numbers never are."""
    drop_order: int | None = None
    """The lowest is dropped first where the terminal is narrow; None: never."""
    footer: str = ""


@dataclass(frozen=True)
class FittedTable:
    """Columns and rows, laid out when the width of the terminal is known."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Text]]
    sections: frozenset[int] = frozenset()
    """Indexes of the rows that begin a section."""

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        narrowest = [self._narrowest(index) for index in range(len(self.columns))]
        wanted = [self._wanted(index) for index in range(len(self.columns))]
        kept = self._kept(narrowest, options.max_width)
        widths = column_widths.distributed(
            [narrowest[index] for index in kept],
            [wanted[index] for index in kept],
            options.max_width,
        )
        yield self._table(kept, widths)

    def _kept(self, narrowest: Sequence[int], width: int) -> list[int]:
        """Return the indexes of the columns that are shown in this width."""
        kept = list(range(len(self.columns)))
        droppable = sorted(
            (column.drop_order, index)
            for index, column in enumerate(self.columns)
            if column.drop_order is not None
        )
        for _, index in droppable:
            if column_widths.total([narrowest[position] for position in kept]) <= width:
                break
            kept.remove(index)
        return kept

    def _texts(self, index: int) -> list[str]:
        column = self.columns[index]
        return [column.heading, column.footer, *(str(row[index]) for row in self.rows)]

    def _wanted(self, index: int) -> int:
        """Return the width of a column without any wrapped text."""
        return max(map(column_widths.longest_line, self._texts(index)))

    def _narrowest(self, index: int) -> int:
        """Return the smallest width of a column that breaks no word, nor what is kept whole."""
        column = self.columns[index]
        if column.is_number or column.keep_whole:
            return self._wanted(index)
        return max(map(column_widths.longest_word, self._texts(index)))

    def _table(self, kept: Sequence[int], widths: Sequence[int]) -> Table:
        table = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            show_footer=any(column.footer for column in self.columns),
        )
        for index, width in zip(kept, widths, strict=True):
            column = self.columns[index]
            table.add_column(
                column.heading,
                footer=column.footer,
                justify="right" if column.is_number else "left",
                no_wrap=column.is_number or column.keep_whole,
                width=width,
                overflow="fold",
            )
        for number, row in enumerate(self.rows):
            if number in self.sections:
                table.add_section()
            table.add_row(*(row[index] for index in kept))
        return table


def filled_columns(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], nothing: str
) -> FittedTable:
    """Return a table without the columns in which every row has nothing."""
    all_rows = list(rows)
    kept = [
        index
        for index in range(len(columns))
        if any(row[index] != nothing for row in all_rows) or not all_rows
    ]
    return FittedTable(
        columns=[columns[index] for index in kept],
        rows=[[row[index] for index in kept] for row in all_rows],
    )
