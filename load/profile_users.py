"""The classes of users that a load profile asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.errors import BadInput
from firedrill.profile_form import nearest

if TYPE_CHECKING:
    from collections.abc import Collection

    from firedrill.profile import Profile

DEFAULT_USER = "BasicUser"


def chosen_weights(profile: Profile | None, known: Collection[str]) -> dict[str, int]:
    """Return weights by class of users; the default user without a profile.

    Raises BadInput for an unknown class.
    """
    if profile is None:
        return {DEFAULT_USER: 1}
    for user in profile.users:
        if user.user_class not in known:
            raise BadInput(
                f"profile {profile.name}: user {user.user_class} is unknown"
                f"{nearest(user.user_class, known)}"
            )
    return {user.user_class: user.weight for user in profile.users}
