-- Decisions about exceptions (判断), and the outcomes that follow from them.
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(
    sql,
    '''MATCHED'', ''UNDERPAID'', ''OVERPAID'', ''DUPLICATE_PAYMENT'', ''BILL_CHANGED'', ''CANCELLED_BILL'', ''NO_BILL'', ''MULTIPLE_BILLS'', ''KEY_MISSING'', ''PROVISIONAL'', ''SUPERSEDED'', ''CANCELLED'', ''CANCEL'', ''CANCEL_WITHOUT_PROVISIONAL'', ''DUPLICATE_RECORD'', ''REVERSED'', ''REVERSAL'', ''REVERSAL_WITHOUT_PAYMENT''',
    '''MATCHED'', ''UNDERPAID'', ''OVERPAID'', ''DUPLICATE_PAYMENT'', ''BILL_CHANGED'', ''CANCELLED_BILL'', ''NO_BILL'', ''MULTIPLE_BILLS'', ''KEY_MISSING'', ''PROVISIONAL'', ''SUPERSEDED'', ''CANCELLED'', ''CANCEL'', ''CANCEL_WITHOUT_PROVISIONAL'', ''DUPLICATE_RECORD'', ''REVERSED'', ''REVERSAL'', ''REVERSAL_WITHOUT_PAYMENT'', ''UNAPPLIED'', ''OTHER_AUTHORITY'', ''NOT_A_PAYMENT'''
) WHERE type = 'table' AND name = 'postings';
PRAGMA writable_schema = RESET;
CREATE TABLE decisions (
    id INTEGER NOT NULL,
    entry_id INTEGER NOT NULL,
    exception_id TEXT NOT NULL,
    part_no INTEGER NOT NULL,
    decision TEXT NOT NULL,
    receipt_id INTEGER,
    bill_id TEXT,
    amount INTEGER,
    hold_until TEXT,
    reason TEXT NOT NULL,
    approver TEXT,
    hash BLOB NOT NULL,
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
    CHECK (typeof(id) IN ('integer', 'null')),
    CHECK (typeof(entry_id) IN ('integer', 'null')),
    CHECK (typeof(exception_id) IN ('text', 'null')),
    CHECK (typeof(part_no) IN ('integer', 'null')),
    CHECK (typeof(decision) IN ('text', 'null')),
    CHECK (typeof(receipt_id) IN ('integer', 'null')),
    CHECK (typeof(bill_id) IN ('text', 'null')),
    CHECK (typeof(amount) IN ('integer', 'null')),
    CHECK (typeof(hold_until) IN ('text', 'null') AND hold_until IS date(hold_until)),
    CHECK (typeof(reason) IN ('text', 'null')),
    CHECK (typeof(approver) IN ('text', 'null')),
    CHECK (typeof(hash) IN ('blob', 'null')),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(receipt_id) REFERENCES receipts (id)
);
CREATE INDEX decisions_bill_id ON decisions (bill_id) WHERE bill_id IS NOT NULL;
CREATE INDEX decisions_exception_id ON decisions (exception_id, id);
CREATE INDEX decisions_receipt_id ON decisions (receipt_id) WHERE receipt_id IS NOT NULL;
-- Refund and set-off (還付・充当), and the receipts that credit a debt by set-off.
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(
    sql,
    '''provisional'', ''final'', ''cancel'', ''correction'', ''reversal'', ''deduction'', ''manual''',
    '''provisional'', ''final'', ''cancel'', ''correction'', ''reversal'', ''deduction'', ''manual'', ''setoff'''
) WHERE type = 'table' AND name = 'receipts';
PRAGMA writable_schema = RESET;
CREATE TABLE refund_steps (
    id INTEGER NOT NULL,
    entry_id INTEGER NOT NULL,
    receipt_id INTEGER NOT NULL,
    part_no INTEGER NOT NULL,
    step TEXT NOT NULL,
    step_on TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    interest INTEGER NOT NULL,
    payee_code TEXT NOT NULL,
    article TEXT NOT NULL,
    consent INTEGER,
    debt_bill_id TEXT,
    setoff_receipt_id INTEGER,
    record_no INTEGER,
    reason TEXT,
    approver TEXT,
    hash BLOB NOT NULL,
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
    CHECK (typeof(id) IN ('integer', 'null')),
    CHECK (typeof(entry_id) IN ('integer', 'null')),
    CHECK (typeof(receipt_id) IN ('integer', 'null')),
    CHECK (typeof(part_no) IN ('integer', 'null')),
    CHECK (typeof(step) IN ('text', 'null')),
    CHECK (typeof(step_on) IN ('text', 'null') AND step_on IS date(step_on)),
    CHECK (typeof(kind) IN ('text', 'null')),
    CHECK (typeof(amount) IN ('integer', 'null')),
    CHECK (typeof(interest) IN ('integer', 'null')),
    CHECK (typeof(payee_code) IN ('text', 'null')),
    CHECK (typeof(article) IN ('text', 'null')),
    CHECK (typeof(consent) IN ('integer', 'null')),
    CHECK (typeof(debt_bill_id) IN ('text', 'null')),
    CHECK (typeof(setoff_receipt_id) IN ('integer', 'null')),
    CHECK (typeof(record_no) IN ('integer', 'null')),
    CHECK (typeof(reason) IN ('text', 'null')),
    CHECK (typeof(approver) IN ('text', 'null')),
    CHECK (typeof(hash) IN ('blob', 'null')),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(receipt_id) REFERENCES receipts (id),
    FOREIGN KEY(setoff_receipt_id) REFERENCES receipts (id)
);
CREATE INDEX refund_steps_receipt_id ON refund_steps (receipt_id, part_no);
CREATE UNIQUE INDEX refund_steps_setoff_receipt_id ON refund_steps (setoff_receipt_id) WHERE setoff_receipt_id IS NOT NULL;
-- Changes for systems next door (連携) and direct debits (口座振替), with the kinds of their entries.
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(
    sql,
    '''created'', ''policy'', ''bills'', ''receipt_file'', ''rejected_file'', ''bank_deposits'', ''agent_reports'', ''decision'', ''refund'', ''allotment'', ''upload'', ''upload_answer'', ''closing'', ''opening'', ''reversal''',
    '''created'', ''policy'', ''bills'', ''receipt_file'', ''rejected_file'', ''bank_deposits'', ''agent_reports'', ''decision'', ''refund'', ''allotment'', ''upload'', ''upload_answer'', ''debit_request'', ''debit_result'', ''acknowledgement'', ''closing'', ''opening'', ''reversal'''
) WHERE type = 'table' AND name = 'entries';
PRAGMA writable_schema = RESET;
CREATE TABLE debit_records (
    id INTEGER NOT NULL,
    entry_id INTEGER NOT NULL,
    record_no INTEGER NOT NULL,
    bill_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    customer_number TEXT NOT NULL,
    amount INTEGER NOT NULL,
    account TEXT NOT NULL,
    debit_on TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (amount BETWEEN 1 AND 99999999999),
    CHECK (record_no > 0 AND attempt > 0),
    CHECK (customer_number <> '' AND bill_id <> ''),
    UNIQUE (entry_id, record_no),
    UNIQUE (entry_id, customer_number),
    UNIQUE (entry_id, bill_id),
    CHECK (typeof(id) IN ('integer', 'null')),
    CHECK (typeof(entry_id) IN ('integer', 'null')),
    CHECK (typeof(record_no) IN ('integer', 'null')),
    CHECK (typeof(bill_id) IN ('text', 'null')),
    CHECK (typeof(attempt) IN ('integer', 'null')),
    CHECK (typeof(customer_number) IN ('text', 'null')),
    CHECK (typeof(amount) IN ('integer', 'null')),
    CHECK (typeof(account) IN ('text', 'null')),
    CHECK (typeof(debit_on) IN ('text', 'null') AND debit_on IS date(debit_on)),
    CHECK (typeof(hash) IN ('blob', 'null')),
    FOREIGN KEY(entry_id) REFERENCES entries (id)
);
CREATE INDEX debit_records_bill_id ON debit_records (bill_id, id);
CREATE TABLE debit_results (
    id INTEGER NOT NULL,
    entry_id INTEGER NOT NULL,
    record_no INTEGER NOT NULL,
    debit_record_id INTEGER NOT NULL,
    result TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (record_no > 0 AND result <> ''),
    UNIQUE (entry_id, record_no),
    UNIQUE (entry_id, debit_record_id),
    CHECK (typeof(id) IN ('integer', 'null')),
    CHECK (typeof(entry_id) IN ('integer', 'null')),
    CHECK (typeof(record_no) IN ('integer', 'null')),
    CHECK (typeof(debit_record_id) IN ('integer', 'null')),
    CHECK (typeof(result) IN ('text', 'null')),
    CHECK (typeof(hash) IN ('blob', 'null')),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(debit_record_id) REFERENCES debit_records (id)
);
CREATE INDEX debit_results_debit_record_id ON debit_results (debit_record_id, id);
CREATE TABLE acknowledgements (
    id INTEGER NOT NULL,
    entry_id INTEGER NOT NULL,
    cursor_name TEXT NOT NULL,
    last_entry_id INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (id),
    CHECK (id > 0),
    CHECK (length(hash) = 32),
    CHECK (cursor_name <> ''),
    CHECK (last_entry_id < entry_id),
    UNIQUE (entry_id, cursor_name),
    CHECK (typeof(id) IN ('integer', 'null')),
    CHECK (typeof(entry_id) IN ('integer', 'null')),
    CHECK (typeof(cursor_name) IN ('text', 'null')),
    CHECK (typeof(last_entry_id) IN ('integer', 'null')),
    CHECK (typeof(hash) IN ('blob', 'null')),
    FOREIGN KEY(entry_id) REFERENCES entries (id),
    FOREIGN KEY(last_entry_id) REFERENCES entries (id)
);
