"""The file for `locust -f` that brings the load shape alone; the class is in profile_shape.py.

locust -f yours.py,load/shape.py --load-profile launch
"""

from firedrill_load.profile_shape import ProfileShape

__all__ = ["ProfileShape"]
