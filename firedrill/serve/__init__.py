"""The user's own server: its command, its supervisor, and what is seen of it from outside.

It runs on the standard library, because `firedrill-instrument` runs where the user's application
does.
"""
