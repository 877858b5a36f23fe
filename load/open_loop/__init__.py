"""The open workload: a schedule of arrivals, sharded to workers, dispatched to users when due."""
