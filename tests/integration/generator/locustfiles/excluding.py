"""Announces a profile that leaves transactions out."""

from locust_exporter.profile_info import ProfileInfo, announce

announce(ProfileInfo(is_excluded=lambda request_type, _name: request_type == "TRANSACTION"))
