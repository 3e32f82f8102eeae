"""`runner audit`: does everything that a run left agree that nothing forbidden changed?

`evidence` reads everything once; the checks are pure functions over what it read, one module per
kind of evidence: `trees` (which files a commit touches), `commits` (the repository's history),
`rows` (the journal's chain and its tables), `decisions` (scores, decided again), `surroundings`
(what lies beside the two). `pull_request` checks an ordinary repository's changes instead.

What this does not protect against: somebody who rewrites the journal, the repository and the event
log together, or cuts the newest experiments off all three: that takes a copy of the chain's head
kept elsewhere. Nor does it review sources again, run trials again, or read the sealed data and the
logs of containers.
"""
