"""Child processes, commands, ports and programs. Standard library only."""
