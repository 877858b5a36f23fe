"""The open workload: a schedule of arrivals, given to workers in shards, and dispatched to users when they are due."""
