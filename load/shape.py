"""A second locustfile (`-f`) that adds the load shape of a profile to any locustfile.

locust -f yours.py,load/shape.py --load-profile launch
"""

from firedrill_load.profile_shape import ProfileShape

__all__ = ["ProfileShape"]
