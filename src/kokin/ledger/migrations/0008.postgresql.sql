-- Decisions about exceptions (判断), and the outcomes that follow from them.
ALTER TABLE postings DROP CONSTRAINT postings_outcome_check;
ALTER TABLE postings ADD CONSTRAINT postings_outcome_check CHECK (outcome IN ('MATCHED', 'UNDERPAID', 'OVERPAID', 'DUPLICATE_PAYMENT', 'BILL_CHANGED', 'CANCELLED_BILL', 'NO_BILL', 'MULTIPLE_BILLS', 'KEY_MISSING', 'PROVISIONAL', 'SUPERSEDED', 'CANCELLED', 'CANCEL', 'CANCEL_WITHOUT_PROVISIONAL', 'DUPLICATE_RECORD', 'REVERSED', 'REVERSAL', 'REVERSAL_WITHOUT_PAYMENT', 'UNAPPLIED', 'OTHER_AUTHORITY', 'NOT_A_PAYMENT'));
CREATE TABLE decisions (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    exception_id TEXT NOT NULL,
    part_no BIGINT NOT NULL,
    decision TEXT NOT NULL,
    receipt_id BIGINT,
    bill_id TEXT,
    amount BIGINT,
    hold_until DATE,
    reason TEXT NOT NULL,
    approver TEXT,
    accepted_yen TEXT,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (decision IN ('assign', 'move', 'unapply', 'other_authority', 'not_a_payment', 'hold', 'accept')),
    CHECK (amount BETWEEN 1 AND 99999999999),
    CHECK (part_no > 0 AND (part_no = 1 OR amount IS NOT NULL)),
    CHECK ((decision IN ('assign', 'move')) = (bill_id IS NOT NULL)),
    CHECK (amount IS NULL OR bill_id IS NOT NULL),
    CHECK ((decision = 'hold') = (hold_until IS NOT NULL)),
    CHECK (receipt_id IS NOT NULL OR decision IN ('hold', 'accept')),
    CHECK (exception_id <> '' AND reason <> ''),
    UNIQUE (entry_id, exception_id, part_no),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(receipt_id) REFERENCES receipts (id)
);
CREATE INDEX decisions_bill_id ON decisions (bill_id) WHERE bill_id IS NOT NULL;
CREATE INDEX decisions_exception_id ON decisions (exception_id, id);
CREATE INDEX decisions_receipt_id ON decisions (receipt_id) WHERE receipt_id IS NOT NULL;
COMMENT ON COLUMN decisions.exception_id IS 'the exception, as the work list names it';
COMMENT ON COLUMN decisions.part_no IS '1, 2, 3 for the parts of a payment, else 1';
COMMENT ON COLUMN decisions.receipt_id IS 'the receipt; null if the exception is of none';
COMMENT ON COLUMN decisions.bill_id IS 'the bill that the part is assigned to';
COMMENT ON COLUMN decisions.amount IS 'yen of the part; null for the whole payment';
COMMENT ON COLUMN decisions.hold_until IS 'the first day on which somebody has to look again';
COMMENT ON COLUMN decisions.approver IS 'who approved it, another person than the actor';
COMMENT ON COLUMN decisions.accepted_yen IS 'the yen that were accepted: of the exception, expected, found';
-- Refund and set-off (還付・充当), and the receipts that credit a debt by set-off.
ALTER TABLE receipts DROP CONSTRAINT receipts_kind_check;
ALTER TABLE receipts ADD CONSTRAINT receipts_kind_check CHECK (kind IN ('provisional', 'final', 'cancel', 'correction', 'reversal', 'deduction', 'manual', 'setoff'));
CREATE TABLE refund_steps (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    receipt_id BIGINT NOT NULL,
    part_no BIGINT NOT NULL,
    step TEXT NOT NULL,
    step_on DATE NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL,
    interest BIGINT NOT NULL,
    payee_code TEXT NOT NULL,
    article TEXT NOT NULL,
    consent SMALLINT,
    debt_bill_id TEXT,
    setoff_receipt_id BIGINT,
    record_no BIGINT,
    reason TEXT,
    approver TEXT,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (step IN ('decided', 'ordered', 'paid', 'returned')),
    CHECK (kind IN ('refund', 'setoff')),
    CHECK (amount BETWEEN 1 AND 99999999999),
    CHECK (interest BETWEEN 0 AND 99999999999),
    CHECK (part_no > 0 AND record_no > 0 AND consent = 1 AND article <> ''),
    CHECK ((kind = 'setoff') = (debt_bill_id IS NOT NULL)),
    CHECK ((kind = 'setoff' AND step = 'decided') = (setoff_receipt_id IS NOT NULL)),
    CHECK ((step = 'ordered') = (record_no IS NOT NULL)),
    CHECK (kind = 'refund' OR step = 'decided' OR interest > 0),
    UNIQUE (entry_id, receipt_id, part_no),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(receipt_id) REFERENCES receipts (id),
    FOREIGN KEY(setoff_receipt_id) REFERENCES receipts (id)
);
CREATE INDEX refund_steps_receipt_id ON refund_steps (receipt_id, part_no);
CREATE UNIQUE INDEX refund_steps_setoff_receipt_id ON refund_steps (setoff_receipt_id) WHERE setoff_receipt_id IS NOT NULL;
COMMENT ON COLUMN refund_steps.receipt_id IS 'the receipt with the excess';
COMMENT ON COLUMN refund_steps.part_no IS '1, 2, 3 for the parts of the excess';
COMMENT ON COLUMN refund_steps.step_on IS 'the day of the decision, transfer, payment or return';
COMMENT ON COLUMN refund_steps.amount IS 'yen of the excess';
COMMENT ON COLUMN refund_steps.interest IS 'yen of interest on the refund, fixed by the decision';
COMMENT ON COLUMN refund_steps.payee_code IS 'the payee of the receipt; empty if unknown';
COMMENT ON COLUMN refund_steps.article IS 'the article of law';
COMMENT ON COLUMN refund_steps.consent IS '1: the payer has agreed to the set-off; null if law needs no consent';
COMMENT ON COLUMN refund_steps.debt_bill_id IS 'the bill against which the part is set off';
COMMENT ON COLUMN refund_steps.setoff_receipt_id IS 'the receipt that credits this bill';
COMMENT ON COLUMN refund_steps.record_no IS 'the number of the transfer in the file of an order';
COMMENT ON COLUMN refund_steps.approver IS 'who approved it, another person than the actor';
-- Closings (締め) and their figures.
CREATE TABLE closings (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    period TEXT NOT NULL,
    first_day DATE NOT NULL,
    last_day DATE NOT NULL,
    digest TEXT NOT NULL,
    approver TEXT,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (period IN ('day', 'month', 'year', 'enterprise_year')),
    CHECK (first_day <= last_day AND length(digest) = 64 AND approver <> ''),
    UNIQUE (entry_id),
    FOREIGN KEY(entry_id) REFERENCES entries (id)
);
COMMENT ON COLUMN closings.first_day IS 'the first day of the period';
COMMENT ON COLUMN closings.last_day IS 'the last day of the period';
COMMENT ON COLUMN closings.digest IS 'SHA-256 of the figures of the period';
COMMENT ON COLUMN closings.approver IS 'who approved it, another person than the actor';
CREATE TABLE closing_figures (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    booked_on DATE NOT NULL,
    booked_year BIGINT,
    received_on DATE NOT NULL,
    is_late SMALLINT NOT NULL,
    payee_code TEXT,
    account TEXT,
    system TEXT,
    charge TEXT,
    item_code TEXT,
    fiscal_year BIGINT,
    year_class TEXT,
    channel TEXT,
    receipts BIGINT NOT NULL,
    received BIGINT NOT NULL,
    revenue BIGINT NOT NULL,
    off_budget BIGINT NOT NULL,
    overpaid BIGINT NOT NULL,
    suspense BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (is_late IN (0, 1)),
    FOREIGN KEY(entry_id) REFERENCES entries (id)
);
CREATE INDEX closing_figures_entry_id ON closing_figures (entry_id);
COMMENT ON COLUMN closing_figures.booked_on IS 'the day whose 日計 has the figures';
COMMENT ON COLUMN closing_figures.booked_year IS 'the fiscal year whose accounts have the figures; null if unknown';
COMMENT ON COLUMN closing_figures.received_on IS '収入日; before booked_on for 過日分';
COMMENT ON COLUMN closing_figures.is_late IS '1: 過日分, the day of receipt was closed before';
COMMENT ON COLUMN closing_figures.receipts IS 'number of receipts';
-- Changes for systems next door (連携) and direct debits (口座振替), with the kinds of their entries.
ALTER TABLE entries DROP CONSTRAINT entries_kind_check;
ALTER TABLE entries ADD CONSTRAINT entries_kind_check CHECK (kind IN ('created', 'policy', 'bills', 'receipt_file', 'rejected_file', 'bank_deposits', 'agent_reports', 'decision', 'refund', 'write_off', 'allotment', 'upload', 'upload_answer', 'debit_request', 'debit_result', 'acknowledgement', 'closing', 'opening', 'reversal'));
CREATE TABLE debit_records (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    record_no BIGINT NOT NULL,
    bill_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    customer_number TEXT NOT NULL,
    amount BIGINT NOT NULL,
    account_check TEXT NOT NULL,
    debit_on DATE NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (amount BETWEEN 1 AND 99999999999),
    CHECK (record_no > 0 AND attempt > 0),
    CHECK (customer_number <> '' AND bill_id <> ''),
    UNIQUE (entry_id, record_no),
    UNIQUE (entry_id, customer_number),
    UNIQUE (entry_id, bill_id),
    FOREIGN KEY(entry_id) REFERENCES entries (id)
);
CREATE INDEX debit_records_bill_id ON debit_records (bill_id, id);
COMMENT ON COLUMN debit_records.record_no IS 'the number of the debit in the request, from 1';
COMMENT ON COLUMN debit_records.attempt IS '1 for the first request of the bill, 2 for 再振替';
COMMENT ON COLUMN debit_records.customer_number IS '顧客番号, by which the result names the debit';
COMMENT ON COLUMN debit_records.account_check IS 'a salt, a hyphen and the check code of the account';
COMMENT ON COLUMN debit_records.debit_on IS '引落日';
CREATE TABLE debit_results (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    record_no BIGINT NOT NULL,
    debit_record_id BIGINT NOT NULL,
    result TEXT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (record_no > 0 AND result <> ''),
    UNIQUE (entry_id, record_no),
    UNIQUE (entry_id, debit_record_id),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(debit_record_id) REFERENCES debit_records (id)
);
CREATE INDEX debit_results_debit_record_id ON debit_results (debit_record_id, id);
COMMENT ON COLUMN debit_results.record_no IS 'the number of the record in the file of the result';
COMMENT ON COLUMN debit_results.result IS '振替結果コード: 0 debited, else why not';
CREATE TABLE acknowledgements (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    cursor_name TEXT NOT NULL,
    last_entry_id BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (cursor_name <> ''),
    CHECK (last_entry_id < entry_id),
    UNIQUE (entry_id, cursor_name),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(last_entry_id) REFERENCES entries (id)
);
COMMENT ON COLUMN acknowledgements.cursor_name IS 'the name that the other system has in the ledger';
COMMENT ON COLUMN acknowledgements.last_entry_id IS 'the last entry it has processed';
-- Write-offs (不納欠損).
CREATE TABLE write_offs (
    id BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    bill_id TEXT NOT NULL,
    amount BIGINT NOT NULL,
    written_off_on DATE NOT NULL,
    article TEXT NOT NULL,
    reason TEXT NOT NULL,
    approver TEXT,
    hash BYTEA NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (amount BETWEEN 1 AND 99999999999),
    CHECK (bill_id <> '' AND article <> '' AND reason <> ''),
    UNIQUE (entry_id, bill_id),
    FOREIGN KEY(entry_id) REFERENCES entries (id)
);
CREATE INDEX write_offs_bill_id ON write_offs (bill_id, id);
COMMENT ON COLUMN write_offs.bill_id IS 'the bill of the debt';
COMMENT ON COLUMN write_offs.amount IS 'yen that were written off';
COMMENT ON COLUMN write_offs.written_off_on IS 'the day of the decision';
COMMENT ON COLUMN write_offs.article IS 'the article of law';
COMMENT ON COLUMN write_offs.approver IS 'who approved it, another person than the actor';
