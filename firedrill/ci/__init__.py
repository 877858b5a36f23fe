"""The results of runs for continuous integration: JUnit, Markdown, and a history of runs."""
