"""The function whose time is measured."""


def count(values):
    """Return how many pairs of a list stand in the wrong order: the earlier one is larger."""
    found = 0
    for place, value in enumerate(values):
        for later in values[place + 1 :]:
            if value > later:
                found += 1
    return found
