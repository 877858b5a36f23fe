"""Judging a run: verdict, baseline, alert scorecard, default objectives and notes."""
