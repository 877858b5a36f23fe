"""A package, so that its stack is stopped once its tests are over and does not slow down later
ones.
"""
