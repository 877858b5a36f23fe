"""Pages of the report: one run, several runs, and the sentences on them."""
