"""The highest rate that an API sustains within its SLO: search, trials, overload, result."""
