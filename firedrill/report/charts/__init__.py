"""Charts of a report: types of chart, axes, colours and styles of series."""
