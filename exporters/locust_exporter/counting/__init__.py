"""Counts that each process of a test keeps, and the reports that it sends of them."""
