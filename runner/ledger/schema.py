"""The ledger's tables, as migrations in order: `PRAGMA user_version` counts those applied."""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE runs (
        tag TEXT PRIMARY KEY,
        task TEXT NOT NULL,
        agent TEXT NOT NULL,
        agent_isolation TEXT NOT NULL,
        metric TEXT NOT NULL,
        direction TEXT NOT NULL,
        round_to REAL NOT NULL,
        policy_text TEXT NOT NULL,
        policy_digest TEXT NOT NULL,
        harness_digest TEXT NOT NULL,
        template_digest TEXT NOT NULL,
        image_id TEXT NOT NULL,
        data_digest TEXT NOT NULL,
        device TEXT NOT NULL,
        base_commit TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT;

    CREATE TABLE experiments (
        run TEXT NOT NULL REFERENCES runs (tag),
        number INTEGER NOT NULL,
        parent_commit TEXT NOT NULL,
        hypothesis TEXT NOT NULL,
        category TEXT NOT NULL,
        changes TEXT NOT NULL,          -- JSON list of {path, mode, content in base64 or null}
        seeds TEXT NOT NULL,            -- JSON list, in the order of the plan
        fingerprint TEXT,
        status TEXT,                    -- null until it is decided
        rule TEXT,
        reason TEXT NOT NULL DEFAULT '',
        score REAL,
        gain REAL,
        attempt_commit TEXT,
        "commit" TEXT,
        started_at TEXT NOT NULL,
        decided_at TEXT,
        ended_at TEXT,                  -- null until git has moved and the row is closed
        wall_seconds REAL,
        policy_digest TEXT NOT NULL,    -- what it ran under, for the audit to compare
        harness_digest TEXT NOT NULL,
        image_id TEXT NOT NULL,
        chain TEXT,
        PRIMARY KEY (run, number)
    ) STRICT;

    CREATE TABLE trials (
        run TEXT NOT NULL,
        experiment INTEGER NOT NULL,
        purpose TEXT NOT NULL,
        split TEXT NOT NULL,
        seed INTEGER NOT NULL,
        status TEXT NOT NULL,
        reason TEXT NOT NULL,
        stage TEXT,
        failed_limit TEXT,
        crash TEXT,                     -- JSON
        curves TEXT NOT NULL,           -- JSON
        self_modified TEXT NOT NULL,    -- JSON list of paths
        wall_seconds REAL NOT NULL,
        overhead_seconds REAL NOT NULL,
        peak_memory_bytes INTEGER,
        cpu_seconds REAL,
        ended_at TEXT NOT NULL,
        PRIMARY KEY (run, experiment, purpose, split, seed),
        FOREIGN KEY (run, experiment) REFERENCES experiments (run, number)
    ) STRICT;

    CREATE TABLE scores (
        run TEXT NOT NULL,
        experiment INTEGER NOT NULL,
        split TEXT NOT NULL,
        seed INTEGER NOT NULL,
        metric TEXT NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (run, experiment, split, seed, metric)
    ) STRICT;

    -- Apart from the scores that decide, so that no query of those can meet one of these.
    CREATE TABLE audit_scores (
        run TEXT NOT NULL,
        experiment INTEGER NOT NULL,
        split TEXT NOT NULL,
        seed INTEGER NOT NULL,
        metric TEXT NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (run, experiment, split, seed, metric)
    ) STRICT;

    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (tag),
        at TEXT NOT NULL,
        name TEXT NOT NULL,
        detail TEXT NOT NULL            -- JSON
    ) STRICT;
    """,
    """
    -- Absent in older rows, whose links leave them out; the origin is JSON.
    ALTER TABLE experiments ADD COLUMN origin TEXT;
    ALTER TABLE trials ADD COLUMN peak_gpu_memory_bytes INTEGER;

    CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (tag),
        experiment INTEGER NOT NULL,    -- that it was made for; it may never have been opened
        at TEXT NOT NULL,
        agent TEXT NOT NULL,
        model TEXT NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cache_write_5m_tokens INTEGER NOT NULL,
        cache_write_1h_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL,
        web_searches INTEGER NOT NULL,
        usd REAL NOT NULL,
        seconds REAL NOT NULL,
        outcome TEXT NOT NULL
    ) STRICT;
    CREATE INDEX calls_of_run ON calls (run, experiment);

    CREATE TABLE hypotheses (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (tag),
        text TEXT NOT NULL,
        added_at TEXT NOT NULL,
        status TEXT NOT NULL,
        experiment INTEGER
    ) STRICT;
    CREATE INDEX hypotheses_of_run ON hypotheses (run, id);
    """,
    """
    -- Money set aside for calls that are under way; what a killed supervisor leaves is charged.
    CREATE TABLE reservations (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (tag),
        usd REAL NOT NULL
    ) STRICT;
    """,
    """
    -- The link of an audit trial; and where the notes stood when an experiment was closed.
    ALTER TABLE trials ADD COLUMN chain TEXT;
    ALTER TABLE experiments ADD COLUMN notes_commit TEXT;

    -- Beside the experiments: what was looked at between them. No part of the chain.
    CREATE TABLE analyses (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (tag),
        experiment INTEGER NOT NULL,    -- that it came before; it may never have been opened
        asked_by TEXT NOT NULL,
        script_digest TEXT,
        at TEXT NOT NULL,
        seconds REAL,                   -- null until it has ended
        exit_code INTEGER,
        failure TEXT
    ) STRICT;
    CREATE INDEX analyses_of_run ON analyses (run, experiment);
    """,
)
OLDEST = 4
"""The first version whose chain is this one's; what is older was never released."""
