"""`python -m firedrill`, where its scripts are not on PATH."""

from firedrill.cli import main

main(prog_name="firedrill")
