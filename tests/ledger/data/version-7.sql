--
-- PostgreSQL database dump
--



SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: kokin_check_entry(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.kokin_check_entry() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    BEGIN
        IF NEW.id <> (SELECT coalesce(max(id), 0) + 1 FROM entries) OR kokin_open_entry() IS NOT NULL
           OR NEW.recorded_at <> transaction_timestamp() OR NEW.recorded_by <> session_user THEN
            RAISE EXCEPTION 'the rows of entries are never changed; their times and users are those of the database';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: kokin_check_keys(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.kokin_check_keys() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    BEGIN
        IF kokin_open_entry() IS NULL THEN
            RAISE EXCEPTION 'the rows of match_keys are never changed, and added by an open entry only';
        END IF;
        RETURN NULL;
    END $$;


--
-- Name: kokin_check_rows(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.kokin_check_rows() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $_$
    DECLARE added record; last bigint;
    BEGIN
        SELECT min(id) AS first, max(id) - min(id) + 1 AS ids, count(*) AS rows,
               min(entry_id) AS low, max(entry_id) AS high INTO added FROM new_rows;
        EXECUTE format('SELECT coalesce(max(id), 0) FROM %I WHERE id < $1', TG_TABLE_NAME)
            INTO last USING added.first;
        IF added.rows > 0 AND (added.first <> last + 1 OR added.ids <> added.rows OR added.low <> added.high
                               OR added.low IS DISTINCT FROM kokin_open_entry()) THEN
            RAISE EXCEPTION 'the rows of % are never changed, and added by an open entry only', TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END $_$;


--
-- Name: kokin_check_seal(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.kokin_check_seal() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
    BEGIN
        IF NEW.entry_id IS DISTINCT FROM kokin_open_entry() THEN
            RAISE EXCEPTION 'the rows of seals are never changed';
        END IF;
        RETURN NEW;
    END $$;


--
-- Name: kokin_open_entry(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.kokin_open_entry() RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $$
        SELECT max(id) FROM entries HAVING max(id) IS DISTINCT FROM (SELECT max(entry_id) FROM seals)
    $$;


--
-- Name: kokin_reject_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.kokin_reject_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN
        RAISE EXCEPTION 'the rows of % are never changed', TG_TABLE_NAME;
    END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: agent_reports; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.agent_reports (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    count bigint NOT NULL,
    amount bigint NOT NULL,
    agent_code text,
    settled_on date,
    hash bytea NOT NULL,
    CONSTRAINT agent_reports_amount_check CHECK (((amount >= 0) AND (amount <= '99999999999'::bigint))),
    CONSTRAINT agent_reports_count_check CHECK (((count >= 0) AND (count <= '99999999999'::bigint))),
    CONSTRAINT agent_reports_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT agent_reports_id_check CHECK ((id > 0))
);


--
-- Name: bill_versions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.bill_versions (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    version bigint NOT NULL,
    replaces_id bigint,
    withdrawn smallint NOT NULL,
    bill_id text NOT NULL,
    payee_code text NOT NULL,
    item_code text NOT NULL,
    case_key text NOT NULL,
    confirmation text NOT NULL,
    amount bigint NOT NULL,
    due_on date NOT NULL,
    office_code text NOT NULL,
    levy_year bigint,
    tax_year bigint,
    period text NOT NULL,
    payable_until date,
    status text NOT NULL,
    barcode text,
    customer_number text,
    virtual_account text,
    obligation_id text,
    covers text,
    payer_key text,
    system text,
    charge text,
    parts text,
    paid_before bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT bill_versions_amount_check CHECK (((amount >= 1) AND (amount <= '99999999999'::bigint))),
    CONSTRAINT bill_versions_check CHECK (((withdrawn = ANY (ARRAY[0, 1])) AND (withdrawn < version))),
    CONSTRAINT bill_versions_check1 CHECK ((((version = 1) = (replaces_id IS NULL)) AND (version > 0) AND ((version = 1) OR (replaces_id < id)))),
    CONSTRAINT bill_versions_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT bill_versions_id_check CHECK ((id > 0)),
    CONSTRAINT bill_versions_levy_year_check CHECK (((levy_year >= 0) AND (levy_year <= 9999))),
    CONSTRAINT bill_versions_paid_before_check CHECK (((paid_before >= 0) AND (paid_before <= '99999999999'::bigint))),
    CONSTRAINT bill_versions_status_check CHECK ((status = ANY (ARRAY['open'::text, 'cancelled'::text, 'superseded'::text]))),
    CONSTRAINT bill_versions_tax_year_check CHECK (((tax_year >= 0) AND (tax_year <= 9999)))
);


--
-- Name: COLUMN bill_versions.version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.bill_versions.version IS '1, 2, 3 for the versions of a bill';


--
-- Name: COLUMN bill_versions.replaces_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.bill_versions.replaces_id IS 'the version before';


--
-- Name: COLUMN bill_versions.withdrawn; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.bill_versions.withdrawn IS '1: the load of the bill was reversed';


--
-- Name: entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.entries (
    id bigint NOT NULL,
    kind text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    recorded_by text NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    kokin_version text NOT NULL,
    schema_version bigint NOT NULL,
    source text,
    layout text,
    digest text,
    delivery bigint,
    reverses_entry_id bigint,
    reverses_posting_id bigint,
    CONSTRAINT entries_check CHECK (((actor <> ''::text) AND (recorded_by <> ''::text) AND (kokin_version <> ''::text))),
    CONSTRAINT entries_check1 CHECK ((((digest IS NULL) = (delivery IS NULL)) AND ((delivery IS NULL) OR (delivery > 0)))),
    CONSTRAINT entries_check2 CHECK ((reverses_entry_id < id)),
    CONSTRAINT entries_check3 CHECK (((reverses_entry_id IS NULL) OR (reverses_posting_id IS NULL))),
    CONSTRAINT entries_check4 CHECK (((kind = 'reversal'::text) = ((reverses_entry_id IS NOT NULL) OR (reverses_posting_id IS NOT NULL)))),
    CONSTRAINT entries_digest_check CHECK (((length(digest) >= 1) AND (length(digest) <= 64))),
    CONSTRAINT entries_id_check CHECK ((id > 0)),
    CONSTRAINT entries_kind_check CHECK ((kind = ANY (ARRAY['created'::text, 'policy'::text, 'bills'::text, 'receipt_file'::text, 'rejected_file'::text, 'bank_deposits'::text, 'agent_reports'::text, 'decision'::text, 'refund'::text, 'allotment'::text, 'upload'::text, 'upload_answer'::text, 'closing'::text, 'opening'::text, 'reversal'::text])))
);


--
-- Name: COLUMN entries.recorded_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.entries.recorded_at IS 'the database''s own time of the transaction';


--
-- Name: COLUMN entries.recorded_by; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.entries.recorded_by IS 'the user of the database, or of the system for SQLite';


--
-- Name: COLUMN entries.effective_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.entries.effective_at IS 'when it counts as written';


--
-- Name: COLUMN entries.source; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.entries.source IS 'the name of the file';


--
-- Name: COLUMN entries.digest; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.entries.digest IS 'SHA-256 of the file';


--
-- Name: COLUMN entries.delivery; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.entries.delivery IS '1 for the first entry of the file; a later one needs the reversal of all before';


--
-- Name: postings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.postings (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    receipt_id bigint NOT NULL,
    bill_version_id bigint,
    posting_reason text NOT NULL,
    reverses_id bigint,
    outcome text NOT NULL,
    applied bigint NOT NULL,
    excess bigint NOT NULL,
    suspense bigint NOT NULL,
    provisional bigint NOT NULL,
    no_effect bigint NOT NULL,
    balance_before bigint,
    hash bytea NOT NULL,
    CONSTRAINT postings_applied_check CHECK (((applied >= '-99999999999'::bigint) AND (applied <= '99999999999'::bigint))),
    CONSTRAINT postings_check CHECK ((reverses_id < id)),
    CONSTRAINT postings_check1 CHECK ((((reverses_id IS NULL) = (posting_reason = ANY (ARRAY['posted'::text, 'restored'::text]))) OR (posting_reason = 'rematched'::text))),
    CONSTRAINT postings_excess_check CHECK (((excess >= '-99999999999'::bigint) AND (excess <= '99999999999'::bigint))),
    CONSTRAINT postings_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT postings_id_check CHECK ((id > 0)),
    CONSTRAINT postings_no_effect_check CHECK (((no_effect >= '-99999999999'::bigint) AND (no_effect <= '99999999999'::bigint))),
    CONSTRAINT postings_outcome_check CHECK ((outcome = ANY (ARRAY['MATCHED'::text, 'UNDERPAID'::text, 'OVERPAID'::text, 'DUPLICATE_PAYMENT'::text, 'BILL_CHANGED'::text, 'CANCELLED_BILL'::text, 'NO_BILL'::text, 'MULTIPLE_BILLS'::text, 'KEY_MISSING'::text, 'PROVISIONAL'::text, 'SUPERSEDED'::text, 'CANCELLED'::text, 'CANCEL'::text, 'CANCEL_WITHOUT_PROVISIONAL'::text, 'DUPLICATE_RECORD'::text, 'REVERSED'::text, 'REVERSAL'::text, 'REVERSAL_WITHOUT_PAYMENT'::text]))),
    CONSTRAINT postings_posting_reason_check CHECK ((posting_reason = ANY (ARRAY['posted'::text, 'rematched'::text, 'reversed'::text, 'restored'::text]))),
    CONSTRAINT postings_provisional_check CHECK (((provisional >= '-99999999999'::bigint) AND (provisional <= '99999999999'::bigint))),
    CONSTRAINT postings_suspense_check CHECK (((suspense >= '-99999999999'::bigint) AND (suspense <= '99999999999'::bigint)))
);


--
-- Name: COLUMN postings.reverses_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.postings.reverses_id IS 'the posting whose yen this one takes back';


--
-- Name: receipts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.receipts (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    paid_on date NOT NULL,
    amount bigint NOT NULL,
    record_no bigint NOT NULL,
    byte_offset bigint,
    kind text NOT NULL,
    payee_code text,
    office_code text,
    item_code text,
    case_key text,
    confirmation text,
    barcode text,
    customer_number text,
    virtual_account text,
    other_keys text,
    levy_year bigint,
    tax_year bigint,
    period text,
    paid_time time without time zone,
    received_on date,
    settled_on date,
    bank_charge bigint,
    principal bigint,
    late_charge bigint,
    demand_fee bigint,
    channel text,
    agent_code text,
    bank_code text,
    branch_code text,
    store_code text,
    stamp bigint,
    payable_until date,
    provider_key text,
    key_composed bigint,
    batch_key text,
    cancels text,
    actor text,
    reason text,
    hash bytea NOT NULL,
    CONSTRAINT receipts_amount_check CHECK (((amount >= 0) AND (amount <= '99999999999'::bigint))),
    CONSTRAINT receipts_bank_charge_check CHECK (((bank_charge >= '-99999999999'::bigint) AND (bank_charge <= '99999999999'::bigint))),
    CONSTRAINT receipts_byte_offset_check CHECK (((byte_offset >= 0) AND (byte_offset <= '99999999999'::bigint))),
    CONSTRAINT receipts_demand_fee_check CHECK (((demand_fee >= 0) AND (demand_fee <= '99999999999'::bigint))),
    CONSTRAINT receipts_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT receipts_id_check CHECK ((id > 0)),
    CONSTRAINT receipts_key_composed_check CHECK (((key_composed >= 0) AND (key_composed <= 1))),
    CONSTRAINT receipts_kind_check CHECK ((kind = ANY (ARRAY['provisional'::text, 'final'::text, 'cancel'::text, 'correction'::text, 'reversal'::text, 'deduction'::text, 'manual'::text]))),
    CONSTRAINT receipts_late_charge_check CHECK (((late_charge >= 0) AND (late_charge <= '99999999999'::bigint))),
    CONSTRAINT receipts_levy_year_check CHECK (((levy_year >= 0) AND (levy_year <= 9999))),
    CONSTRAINT receipts_principal_check CHECK (((principal >= 0) AND (principal <= '99999999999'::bigint))),
    CONSTRAINT receipts_record_no_check CHECK (((record_no >= 1) AND (record_no <= '99999999999'::bigint))),
    CONSTRAINT receipts_stamp_check CHECK (((stamp >= 0) AND (stamp <= 1))),
    CONSTRAINT receipts_tax_year_check CHECK (((tax_year >= 0) AND (tax_year <= 9999)))
);


--
-- Name: audit_log; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.audit_log AS
 SELECT postings.id,
    postings.entry_id,
    entries.recorded_at,
    entries.recorded_by,
    entries.effective_at,
    entries.actor,
    entries.reason,
    entries.kokin_version,
    file.source,
    file.digest,
    receipts.record_no,
    postings.receipt_id,
    postings.posting_reason,
    postings.reverses_id,
    postings.outcome,
    postings.bill_version_id,
    bill_versions.bill_id,
    postings.applied,
    postings.excess,
    postings.suspense,
    postings.provisional,
    postings.no_effect,
    postings.balance_before,
    before.hash AS hash_before,
    postings.hash
   FROM (((((public.postings
     JOIN public.entries ON ((entries.id = postings.entry_id)))
     JOIN public.receipts ON ((receipts.id = postings.receipt_id)))
     JOIN public.entries file ON ((file.id = receipts.entry_id)))
     LEFT JOIN public.bill_versions ON ((bill_versions.id = postings.bill_version_id)))
     LEFT JOIN public.postings before ON ((before.id = (postings.id - 1))));


--
-- Name: bank_deposits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.bank_deposits (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    credited_on date NOT NULL,
    amount bigint NOT NULL,
    agent_code text,
    reference text,
    hash bytea NOT NULL,
    CONSTRAINT bank_deposits_amount_check CHECK (((amount >= '-99999999999'::bigint) AND (amount <= '99999999999'::bigint))),
    CONSTRAINT bank_deposits_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT bank_deposits_id_check CHECK ((id > 0))
);


--
-- Name: file_issues; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.file_issues (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    code text NOT NULL,
    severity text NOT NULL,
    field text NOT NULL,
    record bigint,
    byte bigint,
    expected text NOT NULL,
    found text NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT file_issues_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT file_issues_id_check CHECK ((id > 0)),
    CONSTRAINT file_issues_severity_check CHECK ((severity = ANY (ARRAY['error'::text, 'warning'::text])))
);


--
-- Name: COLUMN file_issues.record; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.file_issues.record IS 'the number of the record in the file';


--
-- Name: COLUMN file_issues.byte; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.file_issues.byte IS 'the position in the file, from 0';


--
-- Name: COLUMN file_issues.found; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.file_issues.found IS 'the value; a text that can be personal is masked';


--
-- Name: match_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.match_keys (
    kind smallint NOT NULL,
    key bigint NOT NULL,
    row_id bigint NOT NULL,
    CONSTRAINT match_keys_check CHECK (((kind = ANY (ARRAY[1, 2])) AND (row_id > 0)))
);


--
-- Name: COLUMN match_keys.kind; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.match_keys.kind IS '1: of a bill version, 2: of a receipt';


--
-- Name: COLUMN match_keys.key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.match_keys.key IS 'hash of a number or text';


--
-- Name: COLUMN match_keys.row_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.match_keys.row_id IS 'id in bill_versions or receipts';


--
-- Name: schema_versions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_versions (
    version bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    recorded_by text NOT NULL,
    kokin_version text NOT NULL
);


--
-- Name: seals; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.seals (
    entry_id bigint NOT NULL,
    totals text NOT NULL,
    last_rows text NOT NULL,
    key_counts text NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT seals_hash_check CHECK ((length(hash) = 32))
);


--
-- Name: COLUMN seals.totals; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.seals.totals IS 'JSON: the totals of the file or load, the policy';


--
-- Name: COLUMN seals.last_rows; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.seals.last_rows IS 'JSON: id and hash of the last row of each table';


--
-- Name: COLUMN seals.key_counts; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.seals.key_counts IS 'JSON: the number of match keys of each kind';


--
-- Name: slip_numbers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.slip_numbers (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    obligation_id text NOT NULL,
    issue_no bigint NOT NULL,
    replaces_id bigint,
    bill_id text NOT NULL,
    payee_code text NOT NULL,
    item_code text NOT NULL,
    case_key text NOT NULL,
    confirmation text NOT NULL,
    series text NOT NULL,
    serial bigint,
    amount bigint NOT NULL,
    due_on date NOT NULL,
    payable_until date,
    barcode text,
    hash bytea NOT NULL,
    CONSTRAINT slip_numbers_amount_check CHECK (((amount >= 1) AND (amount <= '99999999999'::bigint))),
    CONSTRAINT slip_numbers_check CHECK (((issue_no > 0) AND (serial >= 0))),
    CONSTRAINT slip_numbers_check1 CHECK (((length(case_key) = 20) AND (length(confirmation) = 6))),
    CONSTRAINT slip_numbers_check2 CHECK (((replaces_id IS NULL) OR ((replaces_id < id) AND (issue_no > 1)))),
    CONSTRAINT slip_numbers_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT slip_numbers_id_check CHECK ((id > 0))
);


--
-- Name: COLUMN slip_numbers.obligation_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.slip_numbers.obligation_id IS 'the number of the debt';


--
-- Name: COLUMN slip_numbers.issue_no; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.slip_numbers.issue_no IS '1 for the first slip of the debt, 2 for a re-issue';


--
-- Name: COLUMN slip_numbers.replaces_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.slip_numbers.replaces_id IS 'the slip of the debt before';


--
-- Name: COLUMN slip_numbers.series; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.slip_numbers.series IS 'the case key without its serial and check digit';


--
-- Name: COLUMN slip_numbers.serial; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.slip_numbers.serial IS 'counts up within the series; null if the case key has no serial';


--
-- Name: upload_answers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.upload_answers (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    record_no bigint NOT NULL,
    upload_record_id bigint NOT NULL,
    result text NOT NULL,
    reason_code text,
    field text,
    hash bytea NOT NULL,
    CONSTRAINT upload_answers_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT upload_answers_id_check CHECK ((id > 0)),
    CONSTRAINT upload_answers_result_check CHECK ((result = ANY (ARRAY['accepted'::text, 'rejected'::text])))
);


--
-- Name: COLUMN upload_answers.record_no; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.upload_answers.record_no IS 'the number of the record in the file of the answer';


--
-- Name: COLUMN upload_answers.reason_code; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.upload_answers.reason_code IS 'why the record was rejected, as the answer says';


--
-- Name: COLUMN upload_answers.field; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.upload_answers.field IS 'the field to correct, as the answer says';


--
-- Name: upload_records; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.upload_records (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    record_no bigint NOT NULL,
    file_no bigint NOT NULL,
    operation text NOT NULL,
    bill_id text NOT NULL,
    payee_code text NOT NULL,
    item_code text NOT NULL,
    case_key text NOT NULL,
    confirmation text NOT NULL,
    amount bigint NOT NULL,
    payable_until date,
    content text NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT upload_records_amount_check CHECK (((amount >= 1) AND (amount <= '99999999999'::bigint))),
    CONSTRAINT upload_records_check CHECK (((record_no > 0) AND (file_no > 0))),
    CONSTRAINT upload_records_content_check CHECK ((length(content) = 64)),
    CONSTRAINT upload_records_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT upload_records_id_check CHECK ((id > 0)),
    CONSTRAINT upload_records_operation_check CHECK ((operation = ANY (ARRAY['new'::text, 'change'::text, 'withdraw'::text])))
);


--
-- Name: COLUMN upload_records.record_no; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.upload_records.record_no IS 'the number of the record in the upload, from 1';


--
-- Name: COLUMN upload_records.file_no; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.upload_records.file_no IS 'the number of the file of the upload, from 1';


--
-- Name: COLUMN upload_records.content; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.upload_records.content IS 'SHA-256 of the values that were sent';


--
-- Data for Name: agent_reports; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.agent_reports (id, entry_id, first_day, last_day, count, amount, agent_code, settled_on, hash) FROM stdin;
1	8	2026-05-02	2026-05-02	1	10000	A1	\N	\\x438ecd5eb1999adda3cf6d23ebd0d357de440a4527271aa1913f3a2f30ec5212
2	8	2026-05-03	2026-05-03	1	10000	A1	\N	\\xcea29c4e2a7698011d6cb37aa50b3b24efa1b6c7cc4650d163f824ce413c8cd2
\.


--
-- Data for Name: bank_deposits; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.bank_deposits (id, entry_id, credited_on, amount, agent_code, reference, hash) FROM stdin;
1	7	2026-05-04	11000	A1	\N	\\xa374ea437efaf02a2a97a9a16385825deba5adf1e6b7aae07da3996784f09b4f
2	7	2026-05-05	11000	A1	\N	\\x7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb
\.


--
-- Data for Name: bill_versions; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.bill_versions (id, entry_id, version, replaces_id, withdrawn, bill_id, payee_code, item_code, case_key, confirmation, amount, due_on, office_code, levy_year, tax_year, period, payable_until, status, barcode, customer_number, virtual_account, obligation_id, covers, payer_key, system, charge, parts, paid_before, hash) FROM stdin;
1	2	1	\N	0	B1	99999	127	00000000000000000001	123456	10000	2026-06-01	000	\N	\N	00	\N	open	\N	\N	\N	\N	\N	P1	\N	\N	\N	0	\\x7586521211e199f3846aed865c0b70d077a938e3523b65dee3b34c1c30ceb484
2	2	1	\N	0	B2	99999	127	00000000000000000002	123456	5000	2026-06-01	000	\N	\N	00	\N	open	\N	\N	\N	\N	\N	P1	\N	\N	\N	0	\\xfeca3efaefcd05d426ca117a247915fa107de415d5391e35146f88e04ec8222e
3	6	2	2	0	B2	99999	127	00000000000000000002	123456	4000	2026-06-01	000	\N	\N	00	\N	open	\N	\N	\N	\N	\N	\N	\N	\N	\N	0	\\x67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e
\.


--
-- Data for Name: entries; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.entries (id, kind, recorded_at, recorded_by, effective_at, actor, reason, kokin_version, schema_version, source, layout, digest, delivery, reverses_entry_id, reverses_posting_id) FROM stdin;
1	created	2026-11-28 03:41:25.069981+00	kokin	2026-11-28 03:41:25.215099+00	founder		0.1.0	7	\N	\N	\N	\N	\N	\N
2	bills	2026-11-28 03:41:25.226204+00	kokin	2026-11-28 03:41:25.238555+00	clerk		0.1.0	7	\N	\N	\N	\N	\N	\N
3	receipt_file	2026-11-28 03:41:25.260241+00	kokin	2026-11-28 03:41:25.265641+00	batch	night	0.1.0	7	mon.csv	\N	digest of mon.csv	1	\N	\N
4	receipt_file	2026-11-28 03:41:25.323376+00	kokin	2026-11-28 03:41:25.330963+00	batch		0.1.0	7	tue.csv	\N	digest of tue.csv	1	\N	\N
5	reversal	2026-11-28 03:41:25.395059+00	kokin	2026-11-28 03:41:25.40638+00	chief	wrong file	0.1.0	7	\N	\N	\N	\N	3	\N
6	bills	2026-11-28 03:41:25.449587+00	kokin	2026-11-28 03:41:25.45299+00	clerk		0.1.0	7	\N	\N	\N	\N	\N	\N
7	bank_deposits	2026-11-28 03:41:25.518531+00	kokin	2026-11-28 03:41:25.523388+00	clerk		0.1.0	7	bank.txt	\N	86aacfd34c3ed3a0c8455cdeaf5fa621f3e2ce2a7c667ea88d06690313c9bc81	1	\N	\N
8	agent_reports	2026-11-28 03:41:25.53456+00	kokin	2026-11-28 03:41:25.538264+00	clerk		0.1.0	7	report.xlsx	\N	f459b4aefd8a61749c92ca9e4b8d010273c9bcdc3864749f9702d26b7ebc23bf	1	\N	\N
9	receipt_file	2026-11-28 03:41:25.548645+00	kokin	2026-11-28 03:41:25.554159+00	batch		0.1.0	7	wed.csv	kokin-csv	fdbc0504c7103023678e41953b7c069f11d8398d9bab1acdcc5afcfa95a327d7	1	\N	\N
10	allotment	2026-11-28 03:41:25.571065+00	kokin	2026-11-28 03:41:25.591049+00	clerk		0.1.0	7	\N	\N	\N	\N	\N	\N
11	upload	2026-11-28 03:41:25.605293+00	kokin	2026-11-28 03:41:25.615162+00	clerk		0.1.0	7	\N	eltax-upload-example	\N	\N	\N	\N
12	upload_answer	2026-11-28 03:41:25.632654+00	kokin	2026-11-28 03:41:25.642901+00	clerk		0.1.0	7	\N	\N	c641c126d07143a1988cda925c1ad273d89404e86cc06078882d99f513c086bb	1	\N	\N
\.


--
-- Data for Name: file_issues; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.file_issues (id, entry_id, code, severity, field, record, byte, expected, found, hash) FROM stdin;
1	9	NOT_DIGITS	error	confirmation	1	75	digits	12345*	\\x7a3ea7d84c6208c5e609b6f5858af962479d07dc56979d0353305607e046725e
2	9	NOT_DIGITS	error	confirmation	2	109	digits	12345*	\\xa547b474d55398f72be7c9422ad9122990dadff04763f7638148a2691f381d6b
\.


--
-- Data for Name: match_keys; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.match_keys (kind, key, row_id) FROM stdin;
1	477808056217429961	2
1	1093126186113903436	1
2	477808056217429961	2
2	1093126186113903436	1
2	238811352019615521	4
2	1093126186113903436	3
1	477808056217429961	3
\.


--
-- Data for Name: postings; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.postings (id, entry_id, receipt_id, bill_version_id, posting_reason, reverses_id, outcome, applied, excess, suspense, provisional, no_effect, balance_before, hash) FROM stdin;
1	3	1	1	posted	\N	MATCHED	10000	0	0	0	0	10000	\\x46800153eda99cbb1b78d1161af6d01e0893fcac381e62a4a783cb8e0cfdbd23
2	3	2	2	posted	\N	UNDERPAID	1000	0	0	0	0	5000	\\x61652a8a637d6e7cad9d449697c908993e6c690da27ccf0dade1b8d748bb6c8a
3	4	1	1	rematched	1	MATCHED	-10000	0	0	0	0	10000	\\x5aa7462aee4764bff50477aed17e3470542b0ebc72f6c7b571fa2c1d52c4cb10
4	4	1	1	rematched	\N	DUPLICATE_PAYMENT	0	10000	0	0	0	0	\\xfaa8d029bdebc03b0fd806d6935e9c71ecf34ad4801122d7f39ef1d6c107c643
5	4	3	1	posted	\N	MATCHED	10000	0	0	0	0	10000	\\xd4558d4e7ff1f19af86668626799e6516f38ef09f2c96d8fdddd3b09301cccba
6	4	4	\N	posted	\N	NO_BILL	0	0	77	0	0	\N	\\xd128d77767b2ffb6004018091d16c7fb67ca1c8a81fdadf85667f1797dac944e
7	5	1	1	reversed	4	DUPLICATE_PAYMENT	0	-10000	0	0	0	0	\\x18eddf061073fb702c7e0075b7bdfe140f43a387a6f4691d8b9619db2ad4def3
8	5	2	2	reversed	2	UNDERPAID	-1000	0	0	0	0	5000	\\x0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de
\.


--
-- Data for Name: receipts; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.receipts (id, entry_id, paid_on, amount, record_no, byte_offset, kind, payee_code, office_code, item_code, case_key, confirmation, barcode, customer_number, virtual_account, other_keys, levy_year, tax_year, period, paid_time, received_on, settled_on, bank_charge, principal, late_charge, demand_fee, channel, agent_code, bank_code, branch_code, store_code, stamp, payable_until, provider_key, key_composed, batch_key, cancels, actor, reason, hash) FROM stdin;
1	3	2026-05-09	10000	1	\N	final	99999	\N	127	00000000000000000001	123456	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\\xf5bd62e54cdf6c4c09de4393a911919ee1f4f4e1999c25c20b837d618d268321
2	3	2026-05-01	1000	2	\N	final	99999	\N	127	00000000000000000002	123456	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\\xdbb0e6285f0b1f4989a500ab904e47faf251c3a291539ccc297495a1121d1d39
3	4	2026-05-02	10000	1	\N	final	99999	\N	127	00000000000000000001	123456	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\\x0b44b1650c0a43f6dddc1f55285b62eddf6581073d3e7eb7facf67b10d190474
4	4	2026-05-03	77	2	\N	final	99999	\N	127	00000000000000000009	123456	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\\xbb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d
\.


--
-- Data for Name: schema_versions; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.schema_versions (version, recorded_at, recorded_by, kokin_version) FROM stdin;
7	2026-11-28 03:41:25.069981+00	kokin	0.1.0
\.


--
-- Data for Name: seals; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.seals (entry_id, totals, last_rows, key_counts, hash) FROM stdin;
1	{"policy": {"fee": "gross", "fees": {}, "interest_segment": "year", "pair_by": ["paid_on", "paid_time", "store_code"], "payee_codes": [], "refund_interest_by_charge": {}, "refund_interest_from": "month", "settlement_days": 30, "split": {}, "stale_after": 30, "year_closed": "all"}}	{}	{"bill_versions": 0, "receipts": 0}	\\x8af23ba86791f365a1ced5c401da51c67962aba82ac5c7e07923d6a00d2849a8
2	{"changed": 0, "given": 2, "new": 2, "unchanged": 0}	{"bill_versions": [2, "feca3efaefcd05d426ca117a247915fa107de415d5391e35146f88e04ec8222e"]}	{"bill_versions": 2, "receipts": 0}	\\x2a30989bdf265914a5d69a5b7a63b80e727a51847b52bd25018557675086d267
3	{"accepted": 2, "accepted_yen": 11000, "read": 2}	{"bill_versions": [2, "feca3efaefcd05d426ca117a247915fa107de415d5391e35146f88e04ec8222e"], "postings": [2, "61652a8a637d6e7cad9d449697c908993e6c690da27ccf0dade1b8d748bb6c8a"], "receipts": [2, "dbb0e6285f0b1f4989a500ab904e47faf251c3a291539ccc297495a1121d1d39"]}	{"bill_versions": 2, "receipts": 2}	\\x90c83cb8e6da17a4a3600c2ad15c7a97f9a50e381c1e9fd43febe105dd73f052
4	{"accepted": 2, "accepted_yen": 10077, "read": 2}	{"bill_versions": [2, "feca3efaefcd05d426ca117a247915fa107de415d5391e35146f88e04ec8222e"], "postings": [6, "d128d77767b2ffb6004018091d16c7fb67ca1c8a81fdadf85667f1797dac944e"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 2, "receipts": 4}	\\xf047648d76088fe667cbea09705d0e418c8523e121544ab6bb093ad491551158
5	{}	{"bill_versions": [2, "feca3efaefcd05d426ca117a247915fa107de415d5391e35146f88e04ec8222e"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 2, "receipts": 4}	\\x1b1f88374f77113d0b52a7d0cdd6c6a30fcd2f9ce6dd769a45b7c012d64bee5e
6	{"changed": 1, "given": 1, "new": 0, "unchanged": 0}	{"bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 3, "receipts": 4}	\\xb3ee1faf6f79497e69d15b83738b0547f4714d4cf94e4f532e1dca1354289ae3
7	{"given": 2, "yen": 22000}	{"bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 3, "receipts": 4}	\\x0755aad879550411362d75b832eb15cc843f39738d0d4a64cad7f9c3fd5dda37
8	{"given": 2, "yen": 20000}	{"agent_reports": [2, "cea29c4e2a7698011d6cb37aa50b3b24efa1b6c7cc4650d163f824ce413c8cd2"], "bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 3, "receipts": 4}	\\xe7d5bceb6e53920ada5c74f4e0465211ffbce39f73d48208640e944eed7d0849
9	{"accepted": 0, "accepted_yen": 0, "declared": [], "read": 2, "records": 2, "rejected": 2, "rejected_yen": 200, "unpaid": 0, "unpaid_yen": 0}	{"agent_reports": [2, "cea29c4e2a7698011d6cb37aa50b3b24efa1b6c7cc4650d163f824ce413c8cd2"], "bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "file_issues": [2, "a547b474d55398f72be7c9422ad9122990dadff04763f7638148a2691f381d6b"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 3, "receipts": 4}	\\x8c93d2b4bc5a2b0de3771034709504cd89fc699359cec30287b940efc237a8d2
10	{"given": 2, "new": 2, "reissued": 0, "scheme": {"common": {"barcode": null, "bill_id": "{obligation_id}-{issue_no}", "case_key": "{serial:9}", "check_digit": null, "first_serial": 1}, "items": {}}, "unchanged": 0, "yen": 2000}	{"agent_reports": [2, "cea29c4e2a7698011d6cb37aa50b3b24efa1b6c7cc4650d163f824ce413c8cd2"], "bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "file_issues": [2, "a547b474d55398f72be7c9422ad9122990dadff04763f7638148a2691f381d6b"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"], "slip_numbers": [2, "57ed89d3d94301767bd63f2fb0df9930e01cd6dc53d4bc78b36c2f7708b044b7"]}	{"bill_versions": 3, "receipts": 4}	\\x3c2f30b32e000782bbeea94dfcb8f22675d4442bcfde01cb1ef364075633baea
11	{"absent": 0, "by_hand": 0, "change": 0, "files": [{"digest": "582231f901cee3fefd4799d50eff9c439ac6c9426a0568870b00d9a051867d22", "name": "upload-0011-0001.csv", "records": 2}], "given": 2, "new": 2, "sent": 2, "token": "2517511df4089447", "unchanged": 0, "waiting": 0, "withdraw": 0, "yen": 2000}	{"agent_reports": [2, "cea29c4e2a7698011d6cb37aa50b3b24efa1b6c7cc4650d163f824ce413c8cd2"], "bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "file_issues": [2, "a547b474d55398f72be7c9422ad9122990dadff04763f7638148a2691f381d6b"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"], "slip_numbers": [2, "57ed89d3d94301767bd63f2fb0df9930e01cd6dc53d4bc78b36c2f7708b044b7"], "upload_records": [2, "9d95e56c3fdeafbb1cbcfd6ade6687acd264182fbf42b3db8b47d992b2cdb9f3"]}	{"bill_versions": 3, "receipts": 4}	\\xee11d0bb825c7b43f54a9c209f9d25099f4d875ea5f8d9127952c0b082af2943
12	{"accepted": 2, "read": 2, "rejected": 0, "without_record": 0}	{"agent_reports": [2, "cea29c4e2a7698011d6cb37aa50b3b24efa1b6c7cc4650d163f824ce413c8cd2"], "bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "file_issues": [2, "a547b474d55398f72be7c9422ad9122990dadff04763f7638148a2691f381d6b"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"], "slip_numbers": [2, "57ed89d3d94301767bd63f2fb0df9930e01cd6dc53d4bc78b36c2f7708b044b7"], "upload_answers": [2, "8aed225041a4cc2cab740a9930a134c773bbcbb7a30c0e8d5949b44df0728d2c"], "upload_records": [2, "9d95e56c3fdeafbb1cbcfd6ade6687acd264182fbf42b3db8b47d992b2cdb9f3"]}	{"bill_versions": 3, "receipts": 4}	\\x5176ef6c0c41c1887beb1a08a86e8db925f8512205c645a8ac46c69cf55a9320
\.


--
-- Data for Name: slip_numbers; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.slip_numbers (id, entry_id, obligation_id, issue_no, replaces_id, bill_id, payee_code, item_code, case_key, confirmation, series, serial, amount, due_on, payable_until, barcode, hash) FROM stdin;
1	10	D11	1	\N	D11-1	99999	127	00000000000000000001	788797		1	1000	2026-06-01	\N	\N	\\x3ae09bf1391e9baf9fab63fac79614360e4e1216ec0b0516ec28b952a9de0336
2	10	D12	1	\N	D12-1	99999	127	00000000000000000002	073956		2	1000	2026-06-01	\N	\N	\\x57ed89d3d94301767bd63f2fb0df9930e01cd6dc53d4bc78b36c2f7708b044b7
\.


--
-- Data for Name: upload_answers; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.upload_answers (id, entry_id, record_no, upload_record_id, result, reason_code, field, hash) FROM stdin;
1	12	1	1	accepted	\N	\N	\\x11b9b918179660d6767b309c1c48fcbb8bd14e81b278b228b46311371ed46c04
2	12	2	2	accepted	\N	\N	\\x8aed225041a4cc2cab740a9930a134c773bbcbb7a30c0e8d5949b44df0728d2c
\.


--
-- Data for Name: upload_records; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.upload_records (id, entry_id, record_no, file_no, operation, bill_id, payee_code, item_code, case_key, confirmation, amount, payable_until, content, hash) FROM stdin;
1	11	1	1	new	D11-1	99999	127	00000000000000000001	788797	1000	2026-07-10	8a0acea7c8d8330658be34e3d7892103b2d39690f8565b72522e3ecf79a875df	\\x6aea8626a6199471a6a4ff3461eea5ac62498be3d34f22c4b8c85a5f2e9781a8
2	11	2	1	new	D12-1	99999	127	00000000000000000002	073956	1000	2026-07-10	2b59ba88c62b44fc4701ecab1784942f917250e79add0b727ed212ed21eb0a68	\\x9d95e56c3fdeafbb1cbcfd6ade6687acd264182fbf42b3db8b47d992b2cdb9f3
\.


--
-- Name: agent_reports agent_reports_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_reports
    ADD CONSTRAINT agent_reports_pkey PRIMARY KEY (id);


--
-- Name: bank_deposits bank_deposits_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bank_deposits
    ADD CONSTRAINT bank_deposits_pkey PRIMARY KEY (id);


--
-- Name: bill_versions bill_versions_bill_id_version_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bill_versions
    ADD CONSTRAINT bill_versions_bill_id_version_key UNIQUE (bill_id, version);


--
-- Name: bill_versions bill_versions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bill_versions
    ADD CONSTRAINT bill_versions_pkey PRIMARY KEY (id);


--
-- Name: entries entries_kind_digest_delivery_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_kind_digest_delivery_key UNIQUE (kind, digest, delivery);


--
-- Name: entries entries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_pkey PRIMARY KEY (id);


--
-- Name: entries entries_reverses_entry_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_reverses_entry_id_key UNIQUE (reverses_entry_id);


--
-- Name: entries entries_reverses_posting_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_reverses_posting_id_key UNIQUE (reverses_posting_id);


--
-- Name: file_issues file_issues_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.file_issues
    ADD CONSTRAINT file_issues_pkey PRIMARY KEY (id);


--
-- Name: match_keys match_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.match_keys
    ADD CONSTRAINT match_keys_pkey PRIMARY KEY (kind, key, row_id);


--
-- Name: postings postings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.postings
    ADD CONSTRAINT postings_pkey PRIMARY KEY (id);


--
-- Name: receipts receipts_entry_id_record_no_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.receipts
    ADD CONSTRAINT receipts_entry_id_record_no_key UNIQUE (entry_id, record_no);


--
-- Name: receipts receipts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.receipts
    ADD CONSTRAINT receipts_pkey PRIMARY KEY (id);


--
-- Name: schema_versions schema_versions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_versions
    ADD CONSTRAINT schema_versions_pkey PRIMARY KEY (version);


--
-- Name: seals seals_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.seals
    ADD CONSTRAINT seals_pkey PRIMARY KEY (entry_id);


--
-- Name: slip_numbers slip_numbers_bill_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.slip_numbers
    ADD CONSTRAINT slip_numbers_bill_id_key UNIQUE (bill_id);


--
-- Name: slip_numbers slip_numbers_payee_code_item_code_case_key_confirmation_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.slip_numbers
    ADD CONSTRAINT slip_numbers_payee_code_item_code_case_key_confirmation_key UNIQUE (payee_code, item_code, case_key, confirmation);


--
-- Name: slip_numbers slip_numbers_payee_code_item_code_series_serial_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.slip_numbers
    ADD CONSTRAINT slip_numbers_payee_code_item_code_series_serial_key UNIQUE (payee_code, item_code, series, serial);


--
-- Name: slip_numbers slip_numbers_payee_code_obligation_id_issue_no_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.slip_numbers
    ADD CONSTRAINT slip_numbers_payee_code_obligation_id_issue_no_key UNIQUE (payee_code, obligation_id, issue_no);


--
-- Name: slip_numbers slip_numbers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.slip_numbers
    ADD CONSTRAINT slip_numbers_pkey PRIMARY KEY (id);


--
-- Name: upload_answers upload_answers_entry_id_record_no_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.upload_answers
    ADD CONSTRAINT upload_answers_entry_id_record_no_key UNIQUE (entry_id, record_no);


--
-- Name: upload_answers upload_answers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.upload_answers
    ADD CONSTRAINT upload_answers_pkey PRIMARY KEY (id);


--
-- Name: upload_records upload_records_entry_id_record_no_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.upload_records
    ADD CONSTRAINT upload_records_entry_id_record_no_key UNIQUE (entry_id, record_no);


--
-- Name: upload_records upload_records_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.upload_records
    ADD CONSTRAINT upload_records_pkey PRIMARY KEY (id);


--
-- Name: bill_versions_obligation_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX bill_versions_obligation_id ON public.bill_versions USING btree (obligation_id) WHERE (obligation_id IS NOT NULL);


--
-- Name: bill_versions_replaces_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX bill_versions_replaces_id ON public.bill_versions USING btree (replaces_id) WHERE (replaces_id IS NOT NULL);


--
-- Name: file_issues_entry_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX file_issues_entry_id ON public.file_issues USING btree (entry_id);


--
-- Name: postings_bill_version_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX postings_bill_version_id ON public.postings USING btree (bill_version_id);


--
-- Name: postings_receipt_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX postings_receipt_id ON public.postings USING btree (receipt_id, id);


--
-- Name: postings_reverses_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX postings_reverses_id ON public.postings USING btree (reverses_id) WHERE (reverses_id IS NOT NULL);


--
-- Name: slip_numbers_replaces_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX slip_numbers_replaces_id ON public.slip_numbers USING btree (replaces_id) WHERE (replaces_id IS NOT NULL);


--
-- Name: upload_answers_upload_record_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX upload_answers_upload_record_id ON public.upload_answers USING btree (upload_record_id, id);


--
-- Name: upload_records_el_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX upload_records_el_number ON public.upload_records USING btree (payee_code, item_code, case_key, confirmation);


--
-- Name: agent_reports agent_reports_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_reports_check AFTER INSERT ON public.agent_reports REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_rows();


--
-- Name: agent_reports agent_reports_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER agent_reports_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.agent_reports FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: bank_deposits bank_deposits_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER bank_deposits_check AFTER INSERT ON public.bank_deposits REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_rows();


--
-- Name: bank_deposits bank_deposits_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER bank_deposits_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.bank_deposits FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: bill_versions bill_versions_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER bill_versions_check AFTER INSERT ON public.bill_versions REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_rows();


--
-- Name: bill_versions bill_versions_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER bill_versions_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.bill_versions FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: entries entries_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER entries_check BEFORE INSERT ON public.entries FOR EACH ROW EXECUTE FUNCTION public.kokin_check_entry();


--
-- Name: entries entries_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER entries_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.entries FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: file_issues file_issues_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER file_issues_check AFTER INSERT ON public.file_issues REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_rows();


--
-- Name: file_issues file_issues_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER file_issues_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.file_issues FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: match_keys match_keys_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER match_keys_check BEFORE INSERT ON public.match_keys FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_keys();


--
-- Name: match_keys match_keys_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER match_keys_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.match_keys FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: postings postings_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER postings_check AFTER INSERT ON public.postings REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_rows();


--
-- Name: postings postings_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER postings_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.postings FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: receipts receipts_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER receipts_check AFTER INSERT ON public.receipts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_rows();


--
-- Name: receipts receipts_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER receipts_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.receipts FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: schema_versions schema_versions_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER schema_versions_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.schema_versions FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: seals seals_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER seals_check BEFORE INSERT ON public.seals FOR EACH ROW EXECUTE FUNCTION public.kokin_check_seal();


--
-- Name: seals seals_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER seals_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.seals FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: slip_numbers slip_numbers_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER slip_numbers_check AFTER INSERT ON public.slip_numbers REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_rows();


--
-- Name: slip_numbers slip_numbers_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER slip_numbers_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.slip_numbers FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: upload_answers upload_answers_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER upload_answers_check AFTER INSERT ON public.upload_answers REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_rows();


--
-- Name: upload_answers upload_answers_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER upload_answers_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.upload_answers FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: upload_records upload_records_check; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER upload_records_check AFTER INSERT ON public.upload_records REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_check_rows();


--
-- Name: upload_records upload_records_no_change; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER upload_records_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.upload_records FOR EACH STATEMENT EXECUTE FUNCTION public.kokin_reject_change();


--
-- Name: agent_reports agent_reports_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.agent_reports
    ADD CONSTRAINT agent_reports_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- Name: bank_deposits bank_deposits_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bank_deposits
    ADD CONSTRAINT bank_deposits_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- Name: bill_versions bill_versions_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bill_versions
    ADD CONSTRAINT bill_versions_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- Name: bill_versions bill_versions_replaces_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bill_versions
    ADD CONSTRAINT bill_versions_replaces_id_fkey FOREIGN KEY (replaces_id) REFERENCES public.bill_versions(id);


--
-- Name: entries entries_reverses_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_reverses_entry_id_fkey FOREIGN KEY (reverses_entry_id) REFERENCES public.entries(id);


--
-- Name: entries entries_reverses_posting_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.entries
    ADD CONSTRAINT entries_reverses_posting_id_fkey FOREIGN KEY (reverses_posting_id) REFERENCES public.postings(id) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: file_issues file_issues_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.file_issues
    ADD CONSTRAINT file_issues_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- Name: postings postings_bill_version_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.postings
    ADD CONSTRAINT postings_bill_version_id_fkey FOREIGN KEY (bill_version_id) REFERENCES public.bill_versions(id);


--
-- Name: postings postings_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.postings
    ADD CONSTRAINT postings_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- Name: postings postings_receipt_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.postings
    ADD CONSTRAINT postings_receipt_id_fkey FOREIGN KEY (receipt_id) REFERENCES public.receipts(id);


--
-- Name: postings postings_reverses_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.postings
    ADD CONSTRAINT postings_reverses_id_fkey FOREIGN KEY (reverses_id) REFERENCES public.postings(id);


--
-- Name: receipts receipts_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.receipts
    ADD CONSTRAINT receipts_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- Name: seals seals_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.seals
    ADD CONSTRAINT seals_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- Name: slip_numbers slip_numbers_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.slip_numbers
    ADD CONSTRAINT slip_numbers_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- Name: slip_numbers slip_numbers_replaces_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.slip_numbers
    ADD CONSTRAINT slip_numbers_replaces_id_fkey FOREIGN KEY (replaces_id) REFERENCES public.slip_numbers(id);


--
-- Name: upload_answers upload_answers_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.upload_answers
    ADD CONSTRAINT upload_answers_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- Name: upload_answers upload_answers_upload_record_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.upload_answers
    ADD CONSTRAINT upload_answers_upload_record_id_fkey FOREIGN KEY (upload_record_id) REFERENCES public.upload_records(id);


--
-- Name: upload_records upload_records_entry_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.upload_records
    ADD CONSTRAINT upload_records_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.entries(id);


--
-- PostgreSQL database dump complete
--


