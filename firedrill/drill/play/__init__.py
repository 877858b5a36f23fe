"""Playing a profile: the request, the run itself, its faults, progress and early abort."""
