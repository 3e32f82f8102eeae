"""The dashboard: a small web server, in a process of its own, that shows runs and outlives them.

It reads through the journal's reader, as every view does, and shows what the reducer of the
terminal shows. Everything that it serves is its own: no other host is asked for anything.
"""
