"""`firedrill harden`: the smallest setting of a server with which it passes a load profile.

- `ranges`: the settings to try, from the command line.
- `search`: the next setting, from what the runs so far have shown. No I/O.
- `trials`: plays the runs.
"""
