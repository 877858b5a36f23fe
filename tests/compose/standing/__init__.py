"""A package, so that its stack is taken down once its tests are over: it would burden all that come
later.
"""
