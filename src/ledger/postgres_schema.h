// postgres_schema.h: the ledger's tables in PostgreSQL, and how a connection to them is set up.
#pragma once

namespace r1 {

inline constexpr const char* kPostgresSchema = R"(CREATE SCHEMA IF NOT EXISTS r1_ledger;
CREATE TABLE r1_ledger.entries (
  seq bigint PRIMARY KEY, unix_ms bigint NOT NULL, kind text NOT NULL,
  account_id bigint NOT NULL, key_id bigint NOT NULL, hold_id bigint NOT NULL,
  amount_nanousd bigint NOT NULL, o1_nanousd bigint NOT NULL,
  prompt_tokens bigint NOT NULL, cached_tokens bigint NOT NULL, completion_tokens bigint NOT NULL,
  input_nanousd bigint NOT NULL, cached_nanousd bigint NOT NULL, output_nanousd bigint NOT NULL,
  model text NOT NULL, request text NOT NULL, detail text NOT NULL, hash text NOT NULL);
CREATE TABLE r1_ledger.balances (
  account_id bigint PRIMARY KEY, balance_nanousd bigint NOT NULL, held_nanousd bigint NOT NULL);
CREATE TABLE r1_ledger.head (one int PRIMARY KEY CHECK (one = 1), seq bigint NOT NULL, hash text NOT NULL);
INSERT INTO r1_ledger.head VALUES (1, 0, '');
CREATE TABLE r1_ledger.snapshot (
  one int PRIMARY KEY CHECK (one = 1), seq bigint NOT NULL, hash text NOT NULL, state text NOT NULL,
  sha256 text NOT NULL);
CREATE FUNCTION r1_ledger.refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'entries are only appended'; END $$;
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON r1_ledger.entries
  FOR EACH ROW EXECUTE FUNCTION r1_ledger.refuse();
CREATE TRIGGER entries_remain BEFORE TRUNCATE ON r1_ledger.entries
  FOR EACH STATEMENT EXECUTE FUNCTION r1_ledger.refuse();
CREATE TABLE r1_ledger.schema_version (version int PRIMARY KEY);
INSERT INTO r1_ledger.schema_version VALUES (1);
)";

// A server that does not hear from us must end what we had begun, or its locks would outlive us; and so for the wait
// for another writer. synchronous_commit is raised where it would not wait for the disk.
inline constexpr const char* kPostgresSession =
    R"(SET lock_timeout = 10000; SET statement_timeout = 0; SET search_path = pg_catalog;
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 20000; SET idle_in_transaction_session_timeout = 0;
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');
)";

}  // namespace r1
