"""A table that fits the terminal: it drops its least important columns and wraps texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from firedrill.drill.show import column_widths
from firedrill.names import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

LONGEST_WORD = 30
"""Characters; a longer word, such as a URL, may be shortened before a column is dropped."""
SHORTEST_NAME = 12
"""Characters that are left of a long name, however narrow the terminal is."""


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
            self._squeezed(kept, narrowest, options.max_width),
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

    def _squeezed(self, kept: Sequence[int], narrowest: Sequence[int], width: int) -> list[int]:
        """Return the narrowest widths, those of the longest names cut down to what fits."""
        widths = [narrowest[index] for index in kept]
        names = [at for at, index in enumerate(kept) if not self.columns[index].is_number]
        for at in sorted(names, key=lambda at: -widths[at]):
            excess = column_widths.total(widths) - width
            widths[at] = min(widths[at], max(SHORTEST_NAME, widths[at] - max(0, excess)))
        return widths

    def _texts(self, index: int) -> list[str]:
        column = self.columns[index]
        return [column.heading, column.footer, *(str(row[index]) for row in self.rows)]

    def _wanted(self, index: int) -> int:
        """Return the width of a column without any wrapped text."""
        return max(map(column_widths.longest_line, self._texts(index)))

    def _narrowest(self, index: int) -> int:
        """Return the smallest width of a column that breaks no usual word."""
        column = self.columns[index]
        if column.is_number or column.keep_whole:
            return self._wanted(index)
        longest = max(map(column_widths.longest_word, self._texts(index)))
        return max(len(column.heading), min(longest, LONGEST_WORD))

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
            cells = zip(kept, widths, strict=True)
            table.add_row(*(self._fitted(index, row[index], width) for index, width in cells))
        return table

    def _fitted(self, index: int, cell: str | Text, width: int) -> str | Text:
        """Return a cell with the names that are too wide shortened in the middle."""
        column, text = self.columns[index], str(cell)
        parts = text.splitlines() if column.keep_whole else text.split()
        if column.is_number or max(map(len, parts), default=0) <= width:
            return cell
        fitted = " ".join(shortened(part, width) for part in parts)
        return fitted if isinstance(cell, str) else Text(fitted, style=cell.style)


def filled_columns(
    columns: Sequence[Column], rows: Iterable[Sequence[str | Text]], nothing: str
) -> FittedTable:
    """Return a table without the columns in which every row has nothing."""
    all_rows = list(rows)
    kept = [
        index
        for index in range(len(columns))
        if any(str(row[index]) != nothing for row in all_rows) or not all_rows
    ]
    return FittedTable(
        columns=[columns[index] for index in kept],
        rows=[[row[index] for index in kept] for row in all_rows],
    )
