"""The servers that Daftar starts itself where none is configured, and the supervision of everything it starts.

The rest of the program only knows URLs. `supervisor.EmbeddedServices` supplies them for development, tests and
single-machine installations; `supervisor.Supervisor` also keeps Daftar's own roles running.

This module imports nothing, so that the mail sink, a small process of its own, starts quickly.
"""
