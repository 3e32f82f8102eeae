"""Is a task complete, does its template run, and does its scorer refuse the usual cheats?

`reading` looks at the task's files, `playing` runs trials, `cheat` plays in them.
"""
