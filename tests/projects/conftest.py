"""The projects' own tests are theirs: none is collected here."""

collect_ignore_glob = ["*/*"]
