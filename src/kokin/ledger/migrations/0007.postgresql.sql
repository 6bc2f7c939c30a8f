-- Numbers of slips (付番), records sent to eLTAX (納付書情報) and their answers, with the kinds of their entries.
ALTER TABLE entries DROP CONSTRAINT entries_kind_check;
ALTER TABLE entries ADD CONSTRAINT entries_kind_check CHECK (kind IN ('created', 'policy', 'bills', 'receipt_file', 'rejected_file', 'bank_deposits', 'agent_reports', 'decision', 'refund', 'allotment', 'upload', 'upload_answer', 'closing', 'opening', 'reversal'));
CREATE TABLE slip_numbers (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    obligation_id TEXT NOT NULL,
    issue_no BIGINT NOT NULL,
    replaces_id BIGINT,
    bill_id TEXT NOT NULL,
    payee_code TEXT NOT NULL,
    item_code TEXT NOT NULL,
    case_key TEXT NOT NULL,
    confirmation TEXT NOT NULL,
    series TEXT NOT NULL,
    serial BIGINT,
    amount BIGINT NOT NULL,
    due_on DATE NOT NULL,
    payable_until DATE,
    barcode TEXT,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (amount BETWEEN 1 AND 99999999999),
    CHECK (issue_no > 0 AND serial >= 0),
    CHECK (length(case_key) = 20 AND length(confirmation) = 6),
    CHECK (replaces_id IS NULL OR (replaces_id < id AND issue_no > 1)),
    UNIQUE (payee_code, item_code, case_key, confirmation),
    UNIQUE (payee_code, item_code, series, serial),
    UNIQUE (payee_code, obligation_id, issue_no),
    UNIQUE (bill_id),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(replaces_id) REFERENCES slip_numbers (id)
);
CREATE UNIQUE INDEX slip_numbers_replaces_id ON slip_numbers (replaces_id) WHERE replaces_id IS NOT NULL;
COMMENT ON COLUMN slip_numbers.obligation_id IS 'the number of the debt';
COMMENT ON COLUMN slip_numbers.issue_no IS '1 for the first slip of the debt, 2 for a re-issue';
COMMENT ON COLUMN slip_numbers.replaces_id IS 'the slip of the debt before';
COMMENT ON COLUMN slip_numbers.series IS 'the case key without its serial and check digit';
COMMENT ON COLUMN slip_numbers.serial IS 'counts up within the series; null if the case key has no serial';
CREATE TABLE upload_records (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    record_no BIGINT NOT NULL,
    file_no BIGINT NOT NULL,
    operation TEXT NOT NULL,
    bill_id TEXT NOT NULL,
    payee_code TEXT NOT NULL,
    item_code TEXT NOT NULL,
    case_key TEXT NOT NULL,
    confirmation TEXT NOT NULL,
    amount BIGINT NOT NULL,
    payable_until DATE,
    content TEXT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (operation IN ('new', 'change', 'withdraw')),
    CHECK (amount BETWEEN 1 AND 99999999999),
    CHECK (record_no > 0 AND file_no > 0),
    CHECK (length(content) = 64),
    UNIQUE (entry_id, record_no),
    FOREIGN KEY(entry_id) REFERENCES entries (id)
);
CREATE INDEX upload_records_el_number ON upload_records (payee_code, item_code, case_key, confirmation);
COMMENT ON COLUMN upload_records.record_no IS 'the number of the record in the upload, from 1';
COMMENT ON COLUMN upload_records.file_no IS 'the number of the file of the upload, from 1';
COMMENT ON COLUMN upload_records.content IS 'SHA-256 of the values that were sent';
CREATE TABLE upload_answers (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    record_no BIGINT NOT NULL,
    upload_record_id BIGINT NOT NULL,
    result TEXT NOT NULL,
    reason_code TEXT,
    field TEXT,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (result IN ('accepted', 'rejected')),
    UNIQUE (entry_id, record_no),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(upload_record_id) REFERENCES upload_records (id)
);
CREATE INDEX upload_answers_upload_record_id ON upload_answers (upload_record_id, id);
COMMENT ON COLUMN upload_answers.record_no IS 'the number of the record in the file of the answer';
COMMENT ON COLUMN upload_answers.reason_code IS 'why the record was rejected, as the answer says';
COMMENT ON COLUMN upload_answers.field IS 'the field to correct, as the answer says';
