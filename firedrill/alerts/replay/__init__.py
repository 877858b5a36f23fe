"""Rules replayed over recorded samples, as the run's Prometheus evaluated them.

The alert state machine, recording rules, evaluation times and order, and which evaluations are
ambiguous because a scrape was in progress.
"""
