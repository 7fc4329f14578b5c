/** The PostgreSQL adapter against a real server: what only PostgreSQL has. What all servers share is in the conformance suite. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer, connect as dial } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

const certificates = testCertificates()
const never = new AbortController().signal
let server: PostgresServer
let admin: pg.Client
let folder: string

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

const settings = (more: Partial<ConnectionSettings> = {}): ConnectionSettings => ({
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

const reader = { user: 'reader', password: `it's "secret"` }

interface Taken {
  readonly sets: { columns: readonly ResultColumn[]; rows: Cell[][] }[]
  readonly messages: ServerMessage[]
  end?: CallEnd
}

const call = (procedure: string, parameters: readonly CallParameter[] = [], more: Partial<ProcedureCall> = {}) => ({
  ...{ procedure, parameters, output: [], timeoutMs: 60_000 },
  ...more,
})
const parameter = (name: string, type: CallParameter['type'], value: string | null): CallParameter => ({
  name,
  type,
  value,
})

/** Calls, and keeps everything. */
async function take(
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

async function connected<T>(
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
async function copied(connection: Connection, asked: ProcedureCall) {
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

const edge: Record<string, readonly [serverType: string, type: string, ...values: Cell[]]> = {
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
const expectedRows = [2, 3, 4].map((place) => Object.values(edge).map((column) => column[place] as Cell))

/** A CSV text as the server wrote it: NULL unquoted and empty. */
function csvRows(text: string, width: number): Cell[][] {
  const cells = [...text.matchAll(/(?:"((?:[^"]|"")*)"|())(,|\n)/g)].map(
    (cell) => cell[1]?.replaceAll('""', '"') ?? null,
  )
  return Array.from({ length: cells.length / width }, (_, row) => cells.slice(row * width, (row + 1) * width))
}

describe('types', () => {
  test('PR-1, SR-06, SR-14: every type, edge values exact, whatever zone and style the role and the process have', async () => {
    const zone = process.env.TZ
    try {
      for (const setting of ['UTC', 'America/St_Johns', 'Pacific/Apia', 'Europe/London']) {
        process.env.TZ = setting
        process.env.PGTZ = setting
        process.env.PGOPTIONS = `-c TimeZone=${setting} -c DateStyle=German`
        await admin.query(`ALTER ROLE reader SET TimeZone = '${setting}'; ALTER ROLE reader SET DateStyle = 'SQL, DMY';
          ALTER ROLE reader SET bytea_output = 'escape'; ALTER ROLE reader SET extra_float_digits = 0;
          ALTER ROLE reader SET IntervalStyle = 'iso_8601'; ALTER ROLE reader SET client_encoding = 'LATIN1'`)
        await connected(reader, async (connection) => {
          const { sets, end } = await take(connection, call('erp.every'))
          expect(sets[0]?.columns).toEqual(
            Object.entries(edge).map(([name, [serverType, type]]) => ({ name, serverType, type })),
          )
          expect(sets[0]?.rows).toEqual(expectedRows)
          expect(end).toEqual({ rows: [3], output: {} })
          const bulk = await copied(connection, call('erp.every'))
          expect(bulk.end).toEqual({ rows: [3], output: {} })
          expect(bulk.columns).toEqual(sets[0]?.columns)
          expect(csvRows(bulk.text ?? '', expectedRows[0]?.length as number)).toEqual(expectedRows)
        })
      }
    } finally {
      for (const name of ['PGTZ', 'PGOPTIONS']) delete process.env[name]
      if (zone === undefined) delete process.env.TZ
      else process.env.TZ = zone
    }
  })

  const values = [
    parameter('p_int', 'integer', '-2147483648'),
    parameter('p_num', 'decimal(38,9)', '12345678901234567890123456789.123456789'),
    parameter('p_text', 'text', `'; DROP TABLE erp.log; -- $1 é 🐘 \\ "`),
    parameter('p_at', 'timestamptz', '2024-02-29 23:59:59.123456+05:30'),
    parameter('p_bytes', 'binary', '00ff5c'),
    parameter('p_yes', 'boolean', 'true'),
  ]
  const echoed = [
    ...[values[0]?.value, values[1]?.value, values[2]?.value],
    '2024-02-29 18:29:59.123456+00',
    '00ff5c',
    'true',
    'sad',
  ]

  test('SR-06: parameters arrive exactly, in any order, defaults left to the server; NULL is NULL', async () => {
    await connected({}, async (connection) => {
      const asked = call('erp.echo', [...values].reverse())
      expect((await take(connection, asked)).sets[0]?.rows).toEqual([echoed])
      expect(csvRows((await copied(connection, asked)).text ?? '', 7)).toEqual([echoed])
      const nulls = call(
        'erp.echo',
        values.map((each) => ({ ...each, value: null })),
      )
      expect((await take(connection, nulls)).sets[0]?.rows).toEqual([[null, null, null, null, null, null, 'sad']])
      expect((await copied(connection, nulls)).text).toBe(',,,,,,"sad"\n')
    })
  })

  test('parameters by place, variadic ones, and overloads told apart by their names', async () => {
    await connected({}, async (connection) => {
      const placed = call('erp.by_place', [parameter('x', 'integer', '5'), parameter('y', 'text', 'b')])
      expect((await take(connection, placed)).sets[0]?.rows).toEqual([['5', 'b']])
      expect((await copied(connection, placed)).text).toBe('"5","b"\n')
      const many = call('erp.many', [parameter('ids', 'text', '{3,1}')])
      expect((await take(connection, many)).sets[0]?.rows).toEqual([['3'], ['1']])
      expect((await copied(connection, many)).text).toBe('"3"\n"1"\n')
      const unlimited = [
        parameter('c', 'text', 'abc  '),
        parameter('v', 'text', 'long'),
        parameter('b', 'text', '1010'),
        parameter('d', 'decimal(18,4)', '1.23'),
        parameter('n', 'text', 'x'),
      ]
      const same = ['abc  ', 'long', '1010', '1.2300', 'x']
      expect((await take(connection, call('erp.unlimited', unlimited))).sets[0]?.rows).toEqual([same])
      expect(csvRows((await copied(connection, call('erp.unlimited', unlimited))).text ?? '', 5)).toEqual([same])
      expect((await take(connection, call('erp.over', [parameter('b', 'text', '1')]))).sets[0]?.rows).toEqual([
        ['text'],
      ])
    })
  })
})

test('a text that is no UTF-8, in a database without an encoding, is refused and never replaced', async () => {
  await admin.query(`CREATE DATABASE raw ENCODING 'SQL_ASCII' TEMPLATE template0`)
  const raw = await server.superuserClient('raw')
  await raw.query(`CREATE FUNCTION texts(good boolean) RETURNS SETOF text LANGUAGE sql AS
    $$ SELECT CASE WHEN good THEN convert_from('\\xc3a9', 'SQL_ASCII') ELSE convert_from('\\xe9', 'SQL_ASCII') END $$`)
  await raw.end()
  await connected({ database: 'raw' }, async (connection) => {
    const asked = (good: string) => call('public.texts', [parameter('good', 'boolean', good)])
    expect((await take(connection, asked('true'))).sets[0]?.rows).toEqual([['é']])
    expect((await copied(connection, asked('true'))).text).toBe('"é"\n')
    for (const way of [take, copied])
      await expect(way(connection, asked('false'))).rejects.toMatchObject({ params: { code: '22021' } })
  })
})

describe('results', () => {
  test('SR-04: cursors are result sets in their order; an empty one has its columns', async () => {
    await connected({}, async (connection) => {
      const { sets, end } = await take(connection, call('erp.two_sets'))
      expect(sets.map(({ columns }) => columns.map(({ name, serverType }) => [name, serverType]))).toEqual([
        [
          ['i', 'integer'],
          ['t', 'text'],
        ],
        [['yes', 'boolean']],
      ])
      expect(end?.rows).toEqual([5000, 0])
      expect(sets[0]?.rows.at(-1)).toEqual(['5000', 'a5000'])
      expect(await copied(connection, call('erp.two_sets'))).toMatchObject({ end: undefined })
      await expect(take(connection, call('erp.late_cursor'))).rejects.toMatchObject({ name: 'Connection.CallFailed' })
      expect(connection.isUsable).toBe(true)
    })
  })

  test('procedures: output parameters as exact text, transactions of their own, cursors beside outputs', async () => {
    await connected({}, async (connection) => {
      const output = [
        { name: 'total', type: 'decimal(10,2)' },
        { name: 'ok', type: 'boolean' },
        { name: 'rows', type: 'integer' },
      ] as const
      const { end, sets } = await take(
        connection,
        call('erp.close_month', [parameter('month', 'date', '2024-02-29')], { output }),
      )
      expect(end).toEqual({ rows: [], output: { rows: '7', total: '12.5', ok: 'true' } })
      expect(sets).toEqual([])
      expect((await admin.query(`SELECT said FROM erp.log WHERE said LIKE 'closed%'`)).rows).toEqual([
        { said: 'closed 2024-02-29' },
      ])
      const report = call('erp.report', [parameter('n', 'integer', '3')], {
        output: [{ name: 'lines_found', type: 'bigint' }],
      })
      const reported = await take(connection, report)
      expect(reported.end).toEqual({ rows: [3], output: { lines_found: '3' } })
      expect(reported.sets[0]?.rows).toEqual([['1'], ['2'], ['3']])
    })
  })

  test('void functions have no set, scalars one of one column, OUT parameters are a row or, where asked for, outputs', async () => {
    await connected({}, async (connection) => {
      expect(await take(connection, call('erp.nothing'))).toMatchObject({ sets: [], end: { rows: [] } })
      expect((await take(connection, call('erp.scalar'))).sets).toMatchObject([
        { columns: [{ name: 'scalar', type: 'text' }], rows: [['1.10']] },
      ])
      expect((await take(connection, call('erp.outs'))).sets[0]?.rows).toEqual([['1', 'x']])
      const asked = call('erp.outs', [], { output: [{ name: 'b', type: 'text' }] })
      expect(await take(connection, asked)).toMatchObject({ sets: [], end: { output: { b: 'x' } } })
      await expect(take(connection, call('erp.loose'))).rejects.toMatchObject({
        name: 'Connection.CallFailed',
        params: { code: '42601' },
      })
    })
  })

  test('SR-03: notices and warnings are messages, each once', async () => {
    await connected(reader, async (connection) => {
      for (let time = 0; time < 2; time++) {
        const { messages, sets } = await take(connection, call('erp.talks'))
        expect(messages).toEqual([
          { text: 'hello 1', code: '00000', severity: 0 },
          { text: 'careful', code: '01000', severity: 10 },
        ])
        expect(sets[0]?.rows).toEqual([['1']])
      }
    })
    expect((await admin.query(`SELECT count(*)::int AS n FROM erp.log WHERE said = 'talked'`)).rows).toEqual([{ n: 2 }])
  })

  test('batches of at most 2,048 rows, one in the sink at a time; an unwanted set is read to its end', async () => {
    await connected({}, async (connection) => {
      const sizes: number[] = []
      let inSink = 0
      const asked = call('erp.series', [parameter('n', 'bigint', '5000')])
      const rows = async (_: number, cells: readonly (readonly Cell[])[], size: number): Promise<void> => {
        expect(++inSink).toBe(1)
        expect(cells.map((column) => column.length)).toEqual([size, size, size, size])
        await new Promise((done) => setTimeout(done, 5))
        inSink--
        sizes.push(size)
      }
      const sink = { columns: () => true, rows, message: () => undefined }
      expect(await connection.call(asked, sink, never)).toEqual({ rows: [5000], output: {} })
      expect(sizes).toEqual([2048, 2048, 904])
      const unwanted = { ...sink, columns: () => false, rows: () => expect.unreachable() }
      expect(await connection.call(asked, unwanted, never)).toEqual({ rows: [5000], output: {} })
      const exactly = call('erp.series', [parameter('n', 'bigint', '4096')])
      expect((await take(connection, exactly)).end?.rows).toEqual([4096])
      await expect(
        connection.call(call('erp.divides', [parameter('n', 'bigint', '4500')]), unwanted, never),
      ).rejects.toMatchObject({ name: 'Connection.CallFailed', params: { code: '22012' } })
    })
  })
})

describe('sessions', () => {
  test('SR-14: what one call leaves behind is not there for the next', async () => {
    await connected({}, async (connection) => {
      await take(connection, call('erp.untidy'))
      const { sets } = await take(connection, call('erp.every'))
      expect(sets[0]?.rows).toEqual(expectedRows)
      expect((await admin.query(`SELECT FROM pg_locks WHERE locktype = 'advisory'`)).rowCount).toBe(0)
      await take(connection, call('erp.untidy'))
    })
  })

  test('SR-13: wide rows come in small batches, and wait for a slow sink', async () => {
    await connected({}, async (connection) => {
      let [rows, largest] = [0, 0]
      const before = process.memoryUsage().rss
      const sink = {
        columns: () => true,
        async rows(_: number, __: unknown, size: number) {
          rows += size
          largest = Math.max(largest, size)
          await new Promise((done) => setTimeout(done, 20))
          expect(process.memoryUsage().rss - before).toBeLessThan(250 << 20)
        },
        message: () => undefined,
      }
      const asked = call('erp.wide', [parameter('n', 'integer', '500'), parameter('bytes', 'integer', '1000000')])
      expect((await connection.call(asked, sink, never)).rows).toEqual([500])
      expect(rows).toBe(500)
      expect(largest).toBeLessThan(10)
    })
  })
})

describe('errors', () => {
  test('SR-02: before, between and after rows: rejected, rolled back, and the connection goes on', async () => {
    await connected({}, async (connection) => {
      for (const after of ['0', '1', '5000']) {
        await expect(take(connection, call('erp.fails', [parameter('after', 'bigint', after)]))).rejects.toMatchObject({
          name: 'Connection.CallFailed',
          params: { code: 'P0007', why: `it broke after ${after} (on purpose)` },
        })
        await expect(
          copied(connection, call('erp.fails', [parameter('after', 'bigint', after)])),
        ).rejects.toMatchObject({
          name: 'Connection.CallFailed',
        })
      }
      const into: Taken = { sets: [], messages: [] }
      await expect(
        take(connection, call('erp.divides', [parameter('n', 'bigint', '4500')]), into),
      ).rejects.toMatchObject({
        params: { code: '22012' },
      })
      expect(into.sets[0]?.rows.length).toBeGreaterThan(0)
      await expect(copied(connection, call('erp.divides', [parameter('n', 'bigint', '4500')]))).rejects.toMatchObject({
        params: { code: '22012' },
      })
      expect((await take(connection, call('erp.scalar'))).sets[0]?.rows).toEqual([['1.10']])
    })
    expect((await admin.query(`SELECT FROM erp.log WHERE said = 'began'`)).rowCount).toBe(0)
  })

  test('SR-10: a role with EXECUTE only calls, copies and describes what it may, and nothing else', async () => {
    await connected(reader, async (connection) => {
      expect((await take(connection, call('erp.every'))).end?.rows).toEqual([3])
      expect((await copied(connection, call('erp.every'))).end?.rows).toEqual([3])
      await expect(take(connection, call('erp.secret'))).rejects.toMatchObject({ name: 'Connection.Forbidden' })
      await expect(take(connection, call('erp.absent'))).rejects.toMatchObject({ name: 'Connection.NoProcedure' })
      const found = await connection.describe()
      expect(found.map(({ procedure }) => procedure)).toEqual(['erp.every', 'erp.series', 'erp.talks'])
    })
  })

  test('SR-10, SR-12: login, TLS and reach', async () => {
    const refused = (more: Partial<ConnectionSettings>) =>
      connected(more, async () => 'connected').catch((error) => error.name)
    expect(await refused({ password: 'wrong' })).toBe('Connection.LoginFailed')
    expect(await refused({ database: 'absent' })).toBe('Connection.LoginFailed')
    expect(await refused({ port: 1 })).toBe('Connection.Unreachable')
    expect(await refused({ tls: 'verified' })).toBe('Connection.Tls')
    expect(await refused({ tls: 'verified', ca: certificates.otherCa })).toBe('Connection.Tls')
    expect(await refused({ tls: 'verified', ca: certificates.ca, serverName: 'elsewhere.test' })).toBe('Connection.Tls')
    expect(await refused({ tls: 'verified', ca: certificates.ca })).toBe('connected')
    expect(await refused({ tls: 'verified', ca: certificates.ca, serverName: 'localhost' })).toBe('connected')
    expect(await refused({ tls: 'unverified' })).toBe('connected')
    for (const tls of [certificates.wrongHost, certificates.expired, certificates.selfSigned]) {
      const other = await startPostgres({ tls })
      try {
        expect(await refused({ port: other.port, tls: 'verified', ca: certificates.ca })).toBe('Connection.Tls')
      } finally {
        await other.stop()
      }
    }
  })
})

const working = async (): Promise<number> =>
  (await admin.query(`SELECT FROM pg_stat_activity WHERE application_name = 'sluice' AND state = 'active'`)).rowCount ??
  0

async function untilIdle(): Promise<void> {
  for (let time = 0; time < 60 && (await working()) > 0; time++) await new Promise((done) => setTimeout(done, 100))
  expect(await working()).toBe(0)
}

describe('ends', () => {
  test("a file that cannot be written is the caller's error, and the connection is dropped", async () => {
    await connected({}, async (connection) => {
      const sink = { columns: () => true, message: () => undefined }
      await expect(
        connection.copy?.(call('erp.every'), join(folder, 'absent', 'rows.csv'), sink, never),
      ).rejects.toMatchObject({ code: 'ENOENT' })
      expect(connection.isUsable).toBe(false)
    })
    await connected({}, async (connection) => {
      const asked = call('erp.series', [parameter('n', 'bigint', '500000')])
      // Linux's device that is always full.
      await expect(
        connection.copy?.(asked, '/dev/full', { columns: () => true, message: () => undefined }, never),
      ).rejects.toMatchObject({ code: 'ENOSPC' })
    })
    await untilIdle()
  })

  test('SR-09: a cancelled and a late call drop the connection at once, and the server stops within seconds', async () => {
    const long = (timeoutMs: number) => call('erp.sleeps', [parameter('seconds', 'float', '60')], { timeoutMs })
    const sink = { columns: () => true, rows: () => undefined, message: () => undefined }
    const cancelled = await postgresConnector.connect(settings(), never)
    const abort = new AbortController()
    setTimeout(() => abort.abort(), 200)
    await expect(cancelled.call(long(60_000), sink, abort.signal)).rejects.toMatchObject({
      name: 'Connection.Cancelled',
    })
    expect(cancelled.isUsable).toBe(false)
    const late = await postgresConnector.connect(settings(), never)
    await expect(late.copy?.(long(300), join(folder, 'late.csv'), sink, never)).rejects.toMatchObject({
      name: 'Connection.Timeout',
    })
    expect(late.isUsable).toBe(false)
    await untilIdle()
  })

  test('what the sink throws ends the call as it is, and the connection is dropped', async () => {
    for (const at of ['columns', 'rows', 'later', 'message'] as const) {
      const connection = await postgresConnector.connect(settings(), never)
      const raise = (where: string) => {
        if (at === where) throw new RangeError(at)
      }
      const sink = {
        columns: () => raise('columns') ?? true,
        rows: async (_: number, __: unknown, size: number) => (size === 2048 ? raise('rows') : raise('later')),
        message: () => raise('message'),
      }
      const asked = at === 'message' ? call('erp.talks') : call('erp.series', [parameter('n', 'bigint', '50000')])
      await expect(connection.call(asked, sink, never)).rejects.toThrow(new RangeError(at))
      expect(connection.isUsable).toBe(false)
    }
    await untilIdle()
  })

  test('SR-01: a server that dies in the middle of the rows is a lost connection', async () => {
    const other = await startPostgres()
    try {
      const client = await other.superuserClient()
      await client.query(
        `CREATE FUNCTION rows() RETURNS SETOF bigint LANGUAGE sql AS 'SELECT generate_series(1, 10000000)'`,
      )
      const connection = await postgresConnector.connect(settings({ port: other.port }), never)
      let killed: Promise<void> | undefined
      const rows = async (): Promise<void> => {
        killed ??= other.kill()
        await killed
      }
      await expect(
        connection.call(call('public.rows'), { columns: () => true, rows, message: () => undefined }, never),
      ).rejects.toMatchObject({ name: 'Connection.Lost', retryable: true })
      expect(connection.isUsable).toBe(false)
      await connection.close()
    } finally {
      await other.stop()
    }
  })
})

describe('the wire', () => {
  test('SR-11: no name or value of the user is ever a piece of a statement', async () => {
    const sent: Buffer[] = []
    const proxy = createServer((socket) => {
      const upstream = dial(server.port, server.host)
      socket.on('data', (chunk) => void sent.push(chunk))
      socket.pipe(upstream).pipe(socket)
      for (const each of [socket, upstream]) each.on('error', () => undefined)
    })
    await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
    const { port } = proxy.address() as { port: number }
    const marker = "zz'; DROP TABLE erp.log; --"
    try {
      await connected({ port }, async (connection) => {
        const odd = `"Odd ""one"""."f(x); DROP TABLE erp.log; --"`
        const asked = call(odd, [parameter('p"; --', 'text', marker)])
        expect((await take(connection, asked)).sets[0]?.rows).toEqual([[marker]])
        expect(csvRows((await copied(connection, asked)).text ?? '', 1)).toEqual([[marker]])
        await expect(take(connection, call('erp.f(); DROP TABLE log'))).rejects.toMatchObject({
          name: 'Connection.NoProcedure',
        })
        await expect(take(connection, call('a.b.c'))).rejects.toMatchObject({ name: 'Connection.InvalidName' })
        await expect(take(connection, call('ş'.repeat(32)))).rejects.toMatchObject({ name: 'Connection.InvalidName' })
        await expect(take(connection, call('erp.over', [parameter('b', 'text', 'a\0b')]))).rejects.toMatchObject({
          name: 'Connection.ValueInvalid',
        })
      })
    } finally {
      proxy.close()
    }
    const statements = statementsOf(Buffer.concat(sent))
    expect(statements.filter((text) => text.includes('zz'))).toEqual([])
    const withName = statements.filter((text) => text.includes('DROP'))
    const quoted = `"Odd ""one"""."f(x); DROP TABLE erp.log; --"("p""; --" => `
    expect(withName).toEqual([
      `SELECT * FROM ${quoted}$1)`,
      `SELECT * FROM ${quoted}$1)`,
      `COPY (SELECT "c1" FROM ${quoted}current_setting('sluice.p1')::text) AS r("c1")) TO STDOUT (FORMAT csv, FORCE_QUOTE *)`,
    ])
    expect((await admin.query('SELECT FROM erp.log')).rowCount).toBeGreaterThan(0)
  })

  /** The texts of all Query and Parse messages that a client sent. */
  function statementsOf(sent: Buffer): string[] {
    const texts: string[] = []
    // The startup message has no kind.
    for (let at = sent.readUInt32BE(0); at < sent.length; at += 1 + sent.readUInt32BE(at + 1)) {
      const kind = String.fromCharCode(sent[at] as number)
      const body = sent.subarray(at + 5, at + 1 + sent.readUInt32BE(at + 1))
      const start = kind === 'P' ? body.indexOf(0) + 1 : 0
      if (kind === 'Q' || kind === 'P') texts.push(body.subarray(start, body.indexOf(0, start)).toString())
    }
    return texts
  }
})

describe('describe', () => {
  test('parameters, outputs, defaults and columns, and why columns are missing', async () => {
    await connected({}, async (connection) => {
      expect(connection.server).toMatch(/^PostgreSQL 18/)
      const [echo] = await connection.describe('erp.echo')
      expect(echo?.parameters.map(({ name, serverType, hasDefault }) => [name, serverType, hasDefault])).toEqual([
        ['p_int', 'integer', false],
        ['p_num', 'numeric', false],
        ['p_text', 'text', false],
        ['p_at', 'timestamp with time zone', false],
        ['p_bytes', 'bytea', false],
        ['p_yes', 'boolean', false],
        ['p_mood', 'erp.mood', true],
      ])
      expect(echo?.columns?.map(({ name, type }) => `${name} ${type}`).slice(0, 3)).toEqual([
        'o_int integer',
        'o_num text',
        'o_text text',
      ])
      const [month] = await connection.describe('erp.close_month')
      expect(month?.parameters.map(({ name, output }) => [name, output])).toEqual([
        ['month', false],
        ['rows', true],
        ['total', true],
        ['ok', true],
      ])
      expect(month?.note).toMatch('returns no rows')
      expect((await connection.describe('erp.two_sets'))[0]?.note).toMatch('cursors')
      expect((await connection.describe('erp.loose'))[0]?.note).toMatch('cannot tell')
      expect(await connection.describe('erp.over')).toHaveLength(2)
      const all = await connection.describe()
      expect(all.map(({ procedure }) => procedure)).toContain('"Odd ""one"""."f(x); DROP TABLE erp.log; --"')
      expect(all.every(({ columns, note }) => (columns === undefined) !== (note === undefined))).toBe(true)
    })
  })
})

test('SR-13: 500,000 rows by both paths in flat memory (figures printed)', async () => {
  await connected({}, async (connection) => {
    const asked = call('erp.series', [parameter('n', 'bigint', '500000')])
    let rows = 0
    let peak = 0
    const before = process.memoryUsage().rss
    const sink = {
      columns: () => true,
      rows(_: number, __: unknown, size: number) {
        rows += size
        peak = Math.max(peak, process.memoryUsage().rss)
      },
      message: () => undefined,
    }
    const started = performance.now()
    await connection.call(asked, sink, never)
    const rowPath = performance.now() - started
    const file = join(folder, 'big.csv')
    const again = performance.now()
    const end = await connection.copy?.(asked, file, sink, never)
    const copyPath = performance.now() - again
    expect([rows, end?.rows]).toEqual([500_000, [500_000]])
    const perSecond = (ms: number): string => `${Math.round(500_000 / ms)},000 rows/s`
    console.info(
      `row path ${perSecond(rowPath)}, COPY ${perSecond(copyPath)} (${(await stat(file)).size} bytes), RSS +${(peak - before) >> 20} MB`,
    )
    expect(peak - before).toBeLessThan(200 << 20)
  })
})
