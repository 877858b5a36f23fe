"""The load shape of a profile, for any locustfile.

locust -f yours.py,load/shape.py --load-profile launch
"""

from firedrill_load.profile_shape import ProfileShape

__all__ = ["ProfileShape"]
