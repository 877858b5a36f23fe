"""The stack that is measured with: its plan, its configuration, and its parts as processes."""
