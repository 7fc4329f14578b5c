/** One PostgreSQL server for a test file, with routines of every kind, and ways to call them. Importing it starts the server before the tests. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import type {
  CallEnd,
  CallParameter,
  Cell,
  Connection,
  ConnectionSettings,
  ProcedureCall,
  ResultColumn,
  ServerMessage,
} from '../../src/connections/connection.ts'
import { postgresConnector } from '../../src/connections/postgres/connector.ts'
import { testCertificates } from '../doubles/certificates.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'

export const certificates = testCertificates()
export const never = new AbortController().signal
export let server: PostgresServer
export let admin: pg.Client
export let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-connection-'))
  server = await startPostgres({ tls: certificates.right })
  admin = await server.superuserClient()
  await admin.query(schema)
})

afterAll(async () => {
  await admin?.end()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

const schema = `
CREATE ROLE reader LOGIN PASSWORD 'it''s "secret"';
CREATE SCHEMA erp;
CREATE SCHEMA "Odd ""one""";
CREATE TABLE erp.log (said text);
CREATE TYPE erp.mood AS ENUM ('glad', 'sad');
CREATE DOMAIN erp.price AS numeric(18,4) CHECK (VALUE >= 0);
CREATE TYPE erp.pair AS (a integer, b text);

CREATE TABLE erp.every (
  c_bool boolean, c_int2 smallint, c_int4 integer, c_int8 bigint, c_oid oid, c_num numeric(18,4), c_wide numeric(38,0), c_free numeric,
  c_huge numeric(60,30), c_real real, c_float double precision, c_money money, c_text text, c_char char(5), c_varchar varchar(10), c_bytea bytea,
  c_date date, c_time time, c_timetz timetz, c_ts timestamp, c_ts3 timestamp(3), c_tstz timestamptz, c_interval interval, c_uuid uuid,
  c_json json, c_jsonb jsonb, c_xml xml, c_inet inet, c_bit bit(4), c_array integer[], c_range int4range, c_mood erp.mood, c_price erp.price,
  c_pair erp.pair);
INSERT INTO erp.every VALUES
 (true, -32768, -2147483648, -9223372036854775808, 4294967295, 99999999999999.9999, 99999999999999999999999999999999999999, 0.10, 1e-30,
  3.4028235e38, 1.7976931348623157e308, -92233720368547758.08, E'a"b,c\\n\\\\ é 🐘', 'ab', '', '\\x00ff', '0001-01-01', '23:59:59.999999',
  '12:00+05:30', '9999-12-31 23:59:59.999999', '2024-02-29 00:00:00.123', '2024-03-31 01:30:00.123456+00', '1 year 2 mons -3 days 04:05:06.789',
  'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"a": 1.10, "a": 2}', '{"b":1,"a":1.10}', '<a>1</a>', '10.0.0.1/8', B'1010', '{1,NULL,3}', '[1,5)',
  'sad', 1.5, '(1,"x,y")'),
 (false, 32767, 2147483647, 9223372036854775807, 0, 'NaN', 0, 'Infinity', -1.5, 'NaN', 'Infinity', 1234567.89, '', '', NULL, '', 'infinity',
  '24:00:00', '00:00:00-15:59', '-infinity', '0044-03-15 00:00:00 BC', '10000-01-01 00:00:00+00', '0', '00000000-0000-0000-0000-000000000000',
  'null', 'null', '', '::1', B'0000', '{}', 'empty', 'glad', 0, '(,)'),
 (NULL, NULL, NULL, NULL, NULL, -0.0001, NULL, 1e20, NULL, 0.1, 5e-324, 0.01, NULL, NULL, NULL, NULL, '2024-02-29', '00:00', NULL,
  '2024-01-01', NULL, '1900-01-01 00:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE FUNCTION erp.every() RETURNS SETOF erp.every LANGUAGE sql STABLE AS 'SELECT * FROM erp.every';

CREATE FUNCTION erp.echo(p_int integer, p_num numeric, p_text text, p_at timestamptz, p_bytes bytea, p_yes boolean, p_mood erp.mood DEFAULT 'sad')
  RETURNS TABLE (o_int integer, o_num numeric, o_text text, o_at timestamptz, o_bytes bytea, o_yes boolean, o_mood erp.mood)
  LANGUAGE sql AS 'SELECT p_int, p_num, p_text, p_at, p_bytes, p_yes, p_mood';
CREATE FUNCTION erp.series(n bigint) RETURNS TABLE (id bigint, label text, amount numeric, at timestamp)
  LANGUAGE sql STABLE AS $$ SELECT i, 'row ' || i, i * 1.01, timestamp '2024-01-01' + i * interval '1 second' FROM generate_series(1, n) AS s(i) $$;
CREATE FUNCTION erp.fails(after bigint) RETURNS SETOF integer LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO erp.log VALUES ('began');
    FOR i IN 1..after LOOP RETURN NEXT i; END LOOP;
    RAISE EXCEPTION 'it broke after %', after USING ERRCODE = 'P0007', DETAIL = 'on purpose';
  END $$;
CREATE FUNCTION erp.divides(n bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS 'SELECT 100 / (n - i) FROM generate_series(1, 5000) AS s(i)';
CREATE FUNCTION erp.talks() RETURNS SETOF integer LANGUAGE plpgsql AS $$
  BEGIN RAISE NOTICE 'hello %', 1; RETURN NEXT 1; RAISE WARNING 'careful'; INSERT INTO erp.log VALUES ('talked'); END $$;
CREATE FUNCTION erp.two_sets() RETURNS SETOF refcursor LANGUAGE plpgsql AS $$
  DECLARE a refcursor := 'first "one"'; b refcursor;
  BEGIN
    OPEN a FOR SELECT i, 'a' || i AS t FROM generate_series(1, 5000) AS s(i); RETURN NEXT a;
    OPEN b FOR SELECT true AS yes WHERE false; RETURN NEXT b;
  END $$;
CREATE PROCEDURE erp.close_month(month date, INOUT rows integer, OUT total numeric(10,2), OUT ok boolean) LANGUAGE plpgsql AS $$
  BEGIN rows := coalesce(rows, 0) + 7; total := 12.5; ok := true; COMMIT; INSERT INTO erp.log VALUES ('closed ' || month); COMMIT; END $$;
CREATE PROCEDURE erp.report(n integer, INOUT lines refcursor, OUT lines_found bigint) LANGUAGE plpgsql AS $$
  BEGIN lines_found := n; OPEN lines FOR SELECT i FROM generate_series(1, n) AS s(i); END $$;
CREATE FUNCTION erp.late_cursor() RETURNS refcursor LANGUAGE plpgsql AS $$
  DECLARE c refcursor; BEGIN OPEN c FOR SELECT 1 / (3 - i) FROM generate_series(1, 5) AS s(i); RETURN c; END $$;
CREATE FUNCTION erp.nothing() RETURNS void LANGUAGE sql AS $$ INSERT INTO erp.log VALUES ('nothing') $$;
CREATE FUNCTION erp.scalar() RETURNS numeric LANGUAGE sql AS 'SELECT 1.10';
CREATE FUNCTION erp.outs(OUT a integer, OUT b text) LANGUAGE sql AS $$ SELECT 1, 'x' $$;
CREATE FUNCTION erp.loose() RETURNS SETOF record LANGUAGE sql AS 'SELECT 1, 2';
CREATE FUNCTION erp.by_place(integer, text) RETURNS TABLE (a integer, b text) LANGUAGE sql AS 'SELECT $1, $2';
CREATE FUNCTION erp.unlimited(c char, v varchar, b bit, d erp.price, n "char") RETURNS TABLE (oc char, ov varchar, ob bit, od erp.price, oc1 "char")
  LANGUAGE sql AS 'SELECT c, v, b, d, n';
CREATE FUNCTION erp.many(VARIADIC ids integer[]) RETURNS SETOF integer LANGUAGE sql AS 'SELECT unnest(ids)';
CREATE FUNCTION erp.over(a integer) RETURNS text LANGUAGE sql AS $$ SELECT 'integer' $$;
CREATE FUNCTION erp.over(b text) RETURNS text LANGUAGE sql AS $$ SELECT 'text' $$;
CREATE FUNCTION erp.sleeps(seconds double precision) RETURNS SETOF integer LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_sleep(seconds); RETURN NEXT 1; END $$;
CREATE FUNCTION "Odd ""one"""."f(x); DROP TABLE erp.log; --"("p""; --" text) RETURNS TABLE ("c"";" text) LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION erp.untidy() RETURNS SETOF timestamptz LANGUAGE plpgsql AS $$
  BEGIN
    CREATE TEMP TABLE left_behind (a integer); SET TimeZone TO 'Asia/Tokyo'; SET DateStyle TO 'SQL, DMY'; PERFORM pg_advisory_lock(7);
    RETURN NEXT timestamptz '2024-01-01 00:00:00+00';
  END $$;
CREATE FUNCTION erp.wide(n integer, bytes integer) RETURNS SETOF text LANGUAGE sql STABLE AS
  $$ SELECT repeat('x', bytes) FROM generate_series(1, n) $$;
CREATE FUNCTION erp.secret() RETURNS integer LANGUAGE sql AS 'SELECT 1';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA erp FROM PUBLIC;
REVOKE ALL ON ALL PROCEDURES IN SCHEMA erp FROM PUBLIC;
ALTER FUNCTION erp.every() SECURITY DEFINER;
ALTER FUNCTION erp.talks() SECURITY DEFINER;
GRANT USAGE ON SCHEMA erp TO reader;
GRANT EXECUTE ON FUNCTION erp.every(), erp.talks(), erp.series(bigint) TO reader;
`

export const settings = (more: Partial<ConnectionSettings> = {}): ConnectionSettings => ({
  name: 'erp',
  kind: 'postgres',
  host: server.host,
  port: server.port,
  database: server.database,
  user: server.user,
  password: server.password,
  tls: 'off',
  connectTimeoutSeconds: 10,
  ...more,
})

export const reader = { user: 'reader', password: `it's "secret"` }

export interface Taken {
  readonly sets: { columns: readonly ResultColumn[]; rows: Cell[][] }[]
  readonly messages: ServerMessage[]
  end?: CallEnd
}

export const call = (
  procedure: string,
  parameters: readonly CallParameter[] = [],
  more: Partial<ProcedureCall> = {},
) => ({
  ...{ procedure, parameters, output: [], timeoutMs: 60_000 },
  ...more,
})
export const parameter = (name: string, type: CallParameter['type'], value: string | null): CallParameter => ({
  name,
  type,
  value,
})

/** Calls, and keeps everything. */
export async function take(
  connection: Connection,
  asked: ProcedureCall,
  into: Taken = { sets: [], messages: [] },
): Promise<Taken> {
  into.end = await connection.call(
    asked,
    {
      columns(_, columns) {
        into.sets.push({ columns, rows: [] })
        return true
      },
      rows(set, cells, rows) {
        for (let row = 0; row < rows; row++) into.sets[set - 1]?.rows.push(cells.map((column) => column[row] as Cell))
      },
      message: (message) => void into.messages.push(message),
    },
    never,
  )
  return into
}

export async function connected<T>(
  more: Partial<ConnectionSettings>,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await postgresConnector.connect(settings(more), never)
  try {
    return await use(connection)
  } finally {
    await connection.close()
  }
}

/** Takes a function's rows by the bulk path. */
export async function copied(connection: Connection, asked: ProcedureCall) {
  const file = join(folder, 'rows.csv')
  let columns: readonly ResultColumn[] = []
  const end = await connection.copy?.(
    asked,
    file,
    {
      columns: (_, arriving) => {
        columns = arriving
        return true
      },
      message: () => undefined,
    },
    never,
  )
  return { end, columns, text: end && (await readFile(file, 'utf8')) }
}

export const edge: Record<string, readonly [serverType: string, type: string, ...values: Cell[]]> = {
  c_bool: ['boolean', 'boolean', 'true', 'false', null],
  c_int2: ['smallint', 'smallint', '-32768', '32767', null],
  c_int4: ['integer', 'integer', '-2147483648', '2147483647', null],
  c_int8: ['bigint', 'bigint', '-9223372036854775808', '9223372036854775807', null],
  c_oid: ['oid', 'bigint', '4294967295', '0', null],
  c_num: ['numeric(18,4)', 'decimal(18,4)', '99999999999999.9999', 'NaN', '-0.0001'],
  c_wide: ['numeric(38,0)', 'decimal(38,0)', '99999999999999999999999999999999999999', '0', null],
  c_free: ['numeric', 'text', '0.10', 'Infinity', '100000000000000000000'],
  c_huge: ['numeric(60,30)', 'text', '0.000000000000000000000000000001', '-1.500000000000000000000000000000', null],
  c_real: ['real', 'real', '3.4028235e+38', 'NaN', '0.1'],
  c_float: ['double precision', 'float', '1.7976931348623157e+308', 'Infinity', '5e-324'],
  c_money: ['money', 'decimal(19,2)', '-92233720368547758.08', '1234567.89', '0.01'],
  c_text: ['text', 'text', 'a"b,c\n\\ é 🐘', '', null],
  c_char: ['character(5)', 'text', 'ab   ', '     ', null],
  c_varchar: ['character varying(10)', 'text', '', null, null],
  c_bytea: ['bytea', 'binary', '00ff', '', null],
  c_date: ['date', 'date', '0001-01-01', 'infinity', '2024-02-29'],
  c_time: ['time without time zone', 'time', '23:59:59.999999', '24:00:00', '00:00:00'],
  c_timetz: ['time with time zone', 'text', '12:00:00+05:30', '00:00:00-15:59', null],
  c_ts: ['timestamp without time zone', 'timestamp', '9999-12-31 23:59:59.999999', '-infinity', '2024-01-01 00:00:00'],
  c_ts3: ['timestamp(3) without time zone', 'timestamp', '2024-02-29 00:00:00.123', '0044-03-15 00:00:00 BC', null],
  c_tstz: [
    'timestamp with time zone',
    'timestamptz',
    '2024-03-31 01:30:00.123456+00',
    '10000-01-01 00:00:00+00',
    '1900-01-01 00:00:00+00',
  ],
  c_interval: ['interval', 'text', '1 year 2 mons -3 days +04:05:06.789', '00:00:00', null],
  c_uuid: ['uuid', 'uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-0000-0000-000000000000', null],
  c_json: ['json', 'json', '{"a": 1.10, "a": 2}', 'null', null],
  c_jsonb: ['jsonb', 'json', '{"a": 1.10, "b": 1}', 'null', null],
  c_xml: ['xml', 'text', '<a>1</a>', '', null],
  c_inet: ['inet', 'text', '10.0.0.1/8', '::1', null],
  c_bit: ['bit(4)', 'text', '1010', '0000', null],
  c_array: ['integer[]', 'text', '{1,NULL,3}', '{}', null],
  c_range: ['int4range', 'text', '[1,5)', 'empty', null],
  c_mood: ['erp.mood', 'text', 'sad', 'glad', null],
  c_price: ['numeric(18,4)', 'decimal(18,4)', '1.5000', '0.0000', null],
  c_pair: ['erp.pair', 'text', '(1,"x,y")', '(,)', null],
}
export const expectedRows = [2, 3, 4].map((place) => Object.values(edge).map((column) => column[place] as Cell))

/** A CSV text as the server wrote it: NULL unquoted and empty. */
export function csvRows(text: string, width: number): Cell[][] {
  const cells = [...text.matchAll(/(?:"((?:[^"]|"")*)"|())(,|\n)/g)].map(
    (cell) => cell[1]?.replaceAll('""', '"') ?? null,
  )
  return Array.from({ length: cells.length / width }, (_, row) => cells.slice(row * width, (row + 1) * width))
}
