-- The issues of files: of rejected records, and of files that were rejected as a whole.
CREATE TABLE file_issues (
    id BIGINT NOT NULL PRIMARY KEY,
    entry_id BIGINT NOT NULL REFERENCES entries (id),
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    field TEXT NOT NULL,
    record BIGINT,
    byte BIGINT,
    expected TEXT NOT NULL,
    found TEXT NOT NULL,
    hash BYTEA NOT NULL,
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (severity IN ('error', 'warning'))
);
COMMENT ON COLUMN file_issues.record IS 'the number of the record in the file';
COMMENT ON COLUMN file_issues.byte IS 'the position in the file, from 0';
COMMENT ON COLUMN file_issues.found IS 'the value; a text that can be personal is masked';
CREATE INDEX file_issues_entry_id ON file_issues (entry_id);
