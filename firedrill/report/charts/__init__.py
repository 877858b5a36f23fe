"""Charts of a report: types of chart, axes, colours, and the panels that are drawn."""
