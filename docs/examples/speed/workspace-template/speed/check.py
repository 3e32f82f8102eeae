"""Frozen: the guard. What the scorer's lists do not show must hold as well."""

from work import count

CASES = [([], 0), ([1], 0), ([1, 2, 3], 0), ([3, 2, 1], 3), ([2, 2], 0), ([0.5, -0.5], 1)]

for values, expected in CASES:
    given = list(values)
    assert count(given) == expected, f"count({values}) is {count(given)}, not {expected}"
    assert given == values, "count must leave its list as it is"
