-- The issues of files: of rejected records, and of files that were rejected as a whole.
CREATE TABLE file_issues (
    id INTEGER NOT NULL,
    entry_id INTEGER NOT NULL,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    field TEXT NOT NULL,
    record INTEGER,
    byte INTEGER,
    expected TEXT NOT NULL,
    found TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (severity IN ('error', 'warning')),
    CHECK (typeof(id) IN ('integer', 'null')),
    CHECK (typeof(entry_id) IN ('integer', 'null')),
    CHECK (typeof(code) IN ('text', 'null')),
    CHECK (typeof(severity) IN ('text', 'null')),
    CHECK (typeof(field) IN ('text', 'null')),
    CHECK (typeof(record) IN ('integer', 'null')),
    CHECK (typeof(byte) IN ('integer', 'null')),
    CHECK (typeof(expected) IN ('text', 'null')),
    CHECK (typeof(found) IN ('text', 'null')),
    CHECK (typeof(hash) IN ('blob', 'null')),
    FOREIGN KEY(entry_id) REFERENCES entries (id)
);
CREATE INDEX file_issues_entry_id ON file_issues (entry_id);
