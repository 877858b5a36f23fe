"""The receiver of notifications: it records who was notified, when, of which alert.

It uses the standard library only.
"""
