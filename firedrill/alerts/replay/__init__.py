"""The replay of rules over recorded samples: evaluation times and order, alert states, recording rules, ambiguity."""
