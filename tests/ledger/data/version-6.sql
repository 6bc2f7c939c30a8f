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
    CONSTRAINT entries_kind_check CHECK ((kind = ANY (ARRAY['created'::text, 'policy'::text, 'bills'::text, 'receipt_file'::text, 'rejected_file'::text, 'bank_deposits'::text, 'agent_reports'::text, 'decision'::text, 'refund'::text, 'upload'::text, 'closing'::text, 'opening'::text, 'reversal'::text])))
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
1	created	2026-11-27 22:29:34.294732+00	clerk	2026-05-11 03:01:00+00	founder		0.1.0	5	\N	\N	\N	\N	\N	\N
2	bills	2026-11-27 22:29:34.692616+00	clerk	2026-05-11 03:02:00+00	clerk		0.1.0	5	\N	\N	\N	\N	\N	\N
3	receipt_file	2026-11-27 22:29:34.855963+00	clerk	2026-05-11 03:03:00+00	batch	night	0.1.0	5	mon.csv	\N	digest of mon.csv	1	\N	\N
4	receipt_file	2026-11-27 22:29:34.999851+00	clerk	2026-05-11 03:04:00+00	batch		0.1.0	5	tue.csv	\N	digest of tue.csv	1	\N	\N
5	reversal	2026-11-27 22:29:35.176093+00	clerk	2026-05-11 03:05:00+00	chief	wrong file	0.1.0	5	\N	\N	\N	\N	3	\N
6	bills	2026-11-27 22:29:35.309754+00	clerk	2026-05-11 03:06:00+00	clerk		0.1.0	5	\N	\N	\N	\N	\N	\N
7	bank_deposits	2026-11-27 22:29:35.434058+00	clerk	2026-05-11 03:07:00+00	clerk		0.1.0	5	bank.txt	\N	86aacfd34c3ed3a0c8455cdeaf5fa621f3e2ce2a7c667ea88d06690313c9bc81	1	\N	\N
8	agent_reports	2026-11-27 22:29:35.486323+00	clerk	2026-05-11 03:08:00+00	clerk		0.1.0	5	report.xlsx	\N	f459b4aefd8a61749c92ca9e4b8d010273c9bcdc3864749f9702d26b7ebc23bf	1	\N	\N
9	receipt_file	2026-11-28 00:15:58.793735+00	kokin	2026-11-28 00:15:58.84071+00	batch		0.1.0	6	sat.csv	kokin-csv	735cbf17b1dcb7ce63e23ef3130146782646832aef1854785e116d62d337e1ab	1	\N	\N
10	rejected_file	2026-11-28 00:15:59.065418+00	kokin	2026-11-28 00:15:59.084101+00	batch		0.1.0	6	sun.csv	kokin-csv	492d5ea496056f1a6a6592241032fab764c321596317930b4fa0e1e8bc3b7470	1	\N	\N
\.


--
-- Data for Name: file_issues; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.file_issues (id, entry_id, code, severity, field, record, byte, expected, found, hash) FROM stdin;
1	9	NOT_DIGITS	error	amount	2	111	digits	*	\\x4b95b9b0d7b00f86babec932e4cbba83fb4a8b3d389cc096704171fab44c703a
2	10	FIELD_UNKNOWN	error	column 1	\N	0			\\x436e24cb3da81578ae54ddc9e99ac158023b5a2608c1073ed8f2ce8669ab7f12
3	10	FIELD_UNKNOWN	error	column 2	\N	0			\\x795b1016a6e3f16698e777fdcdf3b53b98066fbd8cb8ab01c98135f473f9bd9d
4	10	FIELD_MISSING	error	amount	\N	0			\\x372b860baf44fa68b4a6ad5ebc683887febdf187e494460e05b606ed468ee7d1
5	10	FIELD_MISSING	error	paid_on	\N	0			\\x3e3cfc67bc7858cb8a1664a36bd4531be256bfe57eabb328a0b8aeeb419d966e
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
2	1093126186113903436	5
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
9	9	5	1	posted	\N	DUPLICATE_PAYMENT	0	500	0	0	0	0	\\xe21f0fa71192c8b18e429d813840822188b88d4b56496786e5802bc4d42c2176
\.


--
-- Data for Name: receipts; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.receipts (id, entry_id, paid_on, amount, record_no, byte_offset, kind, payee_code, office_code, item_code, case_key, confirmation, barcode, customer_number, virtual_account, other_keys, levy_year, tax_year, period, paid_time, received_on, settled_on, bank_charge, principal, late_charge, demand_fee, channel, agent_code, bank_code, branch_code, store_code, stamp, payable_until, provider_key, key_composed, batch_key, cancels, actor, reason, hash) FROM stdin;
1	3	2026-05-09	10000	1	\N	final	99999	\N	127	00000000000000000001	123456	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\\xf5bd62e54cdf6c4c09de4393a911919ee1f4f4e1999c25c20b837d618d268321
2	3	2026-05-01	1000	2	\N	final	99999	\N	127	00000000000000000002	123456	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\\xdbb0e6285f0b1f4989a500ab904e47faf251c3a291539ccc297495a1121d1d39
3	4	2026-05-02	10000	1	\N	final	99999	\N	127	00000000000000000001	123456	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\\x0b44b1650c0a43f6dddc1f55285b62eddf6581073d3e7eb7facf67b10d190474
4	4	2026-05-03	77	2	\N	final	99999	\N	127	00000000000000000009	123456	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\\xbb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d
5	9	2026-05-09	500	1	58	final	99999	\N	127	00000000000000000001	123456	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\\x26b7d71a070342206403f529e85ef14f6b1ae215cfa0025e3276138e59cd76c4
\.


--
-- Data for Name: schema_versions; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.schema_versions (version, recorded_at, recorded_by, kokin_version) FROM stdin;
5	2026-11-27 22:29:34.294732+00	clerk	0.1.0
6	2026-11-28 00:15:58.69691+00	kokin	0.1.0
\.


--
-- Data for Name: seals; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.seals (entry_id, totals, last_rows, key_counts, hash) FROM stdin;
1	{"policy": {"fee": "gross", "fees": {}, "interest_segment": "year", "pair_by": ["paid_on", "paid_time", "store_code"], "payee_codes": [], "refund_interest_from": "month", "settlement_days": 30, "split": {}, "stale_after": 30, "year_closed": "all"}}	{}	{"bill_versions": 0, "receipts": 0}	\\x9eed785239b3000b67196913be75adf72d5ab9a9f3fed3d77a9097fe0a6cc8f8
2	{"changed": 0, "given": 2, "new": 2, "unchanged": 0}	{"bill_versions": [2, "feca3efaefcd05d426ca117a247915fa107de415d5391e35146f88e04ec8222e"]}	{"bill_versions": 2, "receipts": 0}	\\x71d5d0facae60085f919e09b3abe2c0d347255da6c2adedda71a3f6c23db52b9
3	{"accepted": 2, "accepted_yen": 11000, "read": 2}	{"bill_versions": [2, "feca3efaefcd05d426ca117a247915fa107de415d5391e35146f88e04ec8222e"], "postings": [2, "61652a8a637d6e7cad9d449697c908993e6c690da27ccf0dade1b8d748bb6c8a"], "receipts": [2, "dbb0e6285f0b1f4989a500ab904e47faf251c3a291539ccc297495a1121d1d39"]}	{"bill_versions": 2, "receipts": 2}	\\x6ec3c72c1e5fdd98f7b3bb8c3da575ae3b6471c39ed2d85987e83eb4b84983a4
4	{"accepted": 2, "accepted_yen": 10077, "read": 2}	{"bill_versions": [2, "feca3efaefcd05d426ca117a247915fa107de415d5391e35146f88e04ec8222e"], "postings": [6, "d128d77767b2ffb6004018091d16c7fb67ca1c8a81fdadf85667f1797dac944e"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 2, "receipts": 4}	\\xb4b77114f4004fa97888cd403cc3105b445c3d7f463da7cfed3f2b4dc4bbb15d
5	{}	{"bill_versions": [2, "feca3efaefcd05d426ca117a247915fa107de415d5391e35146f88e04ec8222e"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 2, "receipts": 4}	\\xe69f77155394360323a353d53a0356bd40136bcf02b6124c4fe993eb56f73c37
6	{"changed": 1, "given": 1, "new": 0, "unchanged": 0}	{"bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 3, "receipts": 4}	\\x358a12717fb4aa629943804ab7346d01cb9a40781409e55a197be832e2834c2c
7	{"given": 2, "yen": 22000}	{"bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 3, "receipts": 4}	\\x53c7bda1acd198524c19298050387ff32c2d28f86652e8a356c972903d2834a5
8	{"given": 2, "yen": 20000}	{"agent_reports": [2, "cea29c4e2a7698011d6cb37aa50b3b24efa1b6c7cc4650d163f824ce413c8cd2"], "bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "postings": [8, "0e17c25d968ec4e5b8031b67af5115bb1527753088ca3891e9010b40801af7de"], "receipts": [4, "bb1efe8986b5ddf8c637c14d4249f2d7775eef9d445a30547590f371ecf10c3d"]}	{"bill_versions": 3, "receipts": 4}	\\x73da901936b00426efeeddf3782ed6db076e9320d66f84e87823b226a482ce84
9	{"accepted": 1, "accepted_yen": 500, "declared": [], "read": 2, "records": 2, "rejected": 1, "rejected_yen": 0, "unpaid": 0, "unpaid_yen": 0}	{"agent_reports": [2, "cea29c4e2a7698011d6cb37aa50b3b24efa1b6c7cc4650d163f824ce413c8cd2"], "bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "file_issues": [1, "4b95b9b0d7b00f86babec932e4cbba83fb4a8b3d389cc096704171fab44c703a"], "postings": [9, "e21f0fa71192c8b18e429d813840822188b88d4b56496786e5802bc4d42c2176"], "receipts": [5, "26b7d71a070342206403f529e85ef14f6b1ae215cfa0025e3276138e59cd76c4"]}	{"bill_versions": 3, "receipts": 5}	\\x083f419934b4f3e31158c4c6e466b6117972df8d9ddeaa90ad16dfaa158ed2dd
10	{"issues": {"FIELD_MISSING": 2, "FIELD_UNKNOWN": 2}}	{"agent_reports": [2, "cea29c4e2a7698011d6cb37aa50b3b24efa1b6c7cc4650d163f824ce413c8cd2"], "bank_deposits": [2, "7b16eaa715dd7f9dc1a08dd194dd61b7a13126e38610fe19d6dd6053609cfafb"], "bill_versions": [3, "67c9be0a6d2f1a036f4dee64d72f6b4610f435771c1e615168a34f2cb037391e"], "file_issues": [5, "3e3cfc67bc7858cb8a1664a36bd4531be256bfe57eabb328a0b8aeeb419d966e"], "postings": [9, "e21f0fa71192c8b18e429d813840822188b88d4b56496786e5802bc4d42c2176"], "receipts": [5, "26b7d71a070342206403f529e85ef14f6b1ae215cfa0025e3276138e59cd76c4"]}	{"bill_versions": 3, "receipts": 5}	\\xde3ca5120375917a7ee1b0f2ea49f575c54c1d25221e222abd27912d904e9d40
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
-- PostgreSQL database dump complete
--


