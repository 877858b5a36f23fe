"""Charts of the report: canvas, kinds of chart, axes, colours and panels."""
