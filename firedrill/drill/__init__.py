"""The drill: one profile played against one server, recorded, measured and judged."""
