"""Reasons of a verdict."""


def codes(verdict):
    """The codes of its reasons, in order."""
    return [reason.code for reason in verdict.reasons]
