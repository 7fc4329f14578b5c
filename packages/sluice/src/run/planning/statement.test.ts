import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accepted } from '../../../test/sql/corpus.ts'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import type { Session } from '../../engines/engine.ts'
import { judgeStatement } from './statement.ts'

let session: Session
beforeAll(async () => {
  session = await duckDbEngine({ memoryLimit: '256MB', threads: 1 }).open()
})
afterAll(() => session.close())

const judge = (sql: string) => judgeStatement(session, { sql, file: 'stage/x.sql' })

describe('CO-10: a model reads versions of tables only, however the file is spelled', () => {
  test.each([
    ['TABLE "/out/p.csv"', 'the file /out/p.csv', 1],
    ["SELECT * FROM (TABLE '/out/p.csv')", 'the file /out/p.csv', 1],
    ["WITH z AS (TABLE '/out/p.csv') SELECT * FROM z", 'the file /out/p.csv', 1],
    ["UNPIVOT '/out/p.csv' ON u", 'the file /out/p.csv', 1],
    ["PIVOT '/out/p.csv' ON u IN ('a') USING count(*)", 'the file /out/p.csv', 1],
    ["SELECT * FROM (SUMMARIZE '/out/p.csv')", 'the file /out/p.csv', 1],
    ["SELECT * FROM (DESCRIBE '/out/p.csv')", 'the file /out/p.csv', 1],
    ["SELECT * FROM E'/out/p.csv'", 'the file /out/p.csv', 1],
    ["SELECT a FROM raw.t WHERE EXISTS (TABLE '/out/p.csv')", 'the file /out/p.csv', 1],
    ["SELECT a\nFROM raw.t SEMI JOIN '/out/p.csv' USING (a)", 'the file /out/p.csv', 2],
    ["FROM 'lake/raw/t/part-0.parquet'", 'the file lake/raw/t/part-0.parquet', 1],
    ["SELECT * FROM 'x.json'", 'the file x.json', 1],
    ["FROM READ_CSV('/out/p.csv')", 'read_csv(…)', 1],
    ['FROM "read_csv"(\'/out/p.csv\')', 'read_csv(…)', 1],
    ["FROM main.read_csv_auto('/out/p.csv')", 'read_csv_auto(…)', 1],
    ["FROM system.main.read_text /* here */ ('/etc/hostname')", 'read_text(…)', 1],
    ["SELECT (SELECT count(*) FROM glob('/*')) AS n", 'glob(…)', 1],
    ["FROM query('SELECT 1')", 'query(…)', 1],
    ["FROM query_table('raw.t')", 'query_table(…)', 1],
    ["FROM parquet_metadata('x')", 'parquet_metadata(…)', 1],
    ["FROM sniff_csv('x')", 'sniff_csv(…)', 1],
    ["FROM sqlite_scan('x.db', 't')", 'sqlite_scan(…)', 1],
    ["FROM postgres_scan('host=x', 'public', 't')", 'postgres_scan(…)', 1],
    ['FROM duckdb_secrets()', 'duckdb_secrets(…)', 1],
    ["SELECT getenv('HOME') AS h", 'getenv(…)', 1],
    ["SELECT main.current_setting('temp_directory') AS h", 'current_setting(…)', 1],
    ["SELECT [x for x in [getenv('HOME')]] AS h", 'getenv(…)', 1],
    ['SELECT * FROM (SHOW TABLES)', "the engine's own tables (SHOW)", 1],
  ])('%s', async (sql, what, line) => {
    const { problems } = await judge(sql)
    expect(problems.map(({ name, message, at }) => [name, message, at?.line])).toContainEqual([
      'Sql.ReadsOutside',
      `The model reads ${what}; a model reads versions of tables only.`,
      line,
    ])
  })

  test.each([
    'COPY raw.t TO "x.csv"',
    "ATTACH 'x.db'",
    'INSTALL httpfs',
    'PRAGMA database_list',
    "SET memory_limit = '1GB'",
    'CREATE MACRO m() AS TABLE SELECT 1',
    'SELECT 1; DROP TABLE raw.t',
  ])('%s is no query', async (sql) => {
    expect((await judge(sql)).problems.map(({ name }) => name)).toContain('Sql.NotOneSelect')
  })

  test('a table without its layer is none, but for a WITH clause of its own', async () => {
    expect((await judge('TABLE duckdb_tables')).problems).toMatchObject([{ name: 'Sql.UnknownTable' }])
    const recursive = 'WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM R WHERE n < 3) SELECT * FROM r'
    expect((await judge(recursive)).problems).toEqual([])
  })
})

test('the place counts characters, whatever they take in bytes', async () => {
  expect((await judge("SELECT 'é😀' AS a FROM '/x.csv'")).problems[0]?.at).toMatchObject({ line: 1, column: 24 })
})

test('the tables that it reads are known by whatever construct', async () => {
  expect((await judge('SELECT * FROM (UNPIVOT raw.t ON a) SEMI JOIN Raw."U" USING (b)')).tables).toEqual(
    expect.arrayContaining(['raw.t', 'Raw.U']),
  )
})

describe('what is several statements to the engine is refused by name', () => {
  test.each([
    'PIVOT raw.t ON a USING sum(b)',
    'SELECT * FROM (PIVOT raw.t ON a USING sum(b))',
    'WITH p AS (PIVOT raw.t ON a USING sum(b)) SELECT * FROM p',
    'FROM (PIVOT raw.t ON a USING sum(b)) SELECT *',
  ])('%s', async (sql) => {
    expect((await judge(sql)).problems).toMatchObject([
      {
        name: 'Sql.SeveralStatements',
        hint: expect.stringContaining('PIVOT raw.sales ON country IN'),
        at: { line: 1 },
      },
    ])
  })
  test('a PIVOT that names its values is one', async () => {
    expect((await judge("PIVOT raw.t ON a IN ('x', 'y') USING sum(b) GROUP BY _file")).problems).toEqual([])
  })
})

test('nothing is found in what models may be', async () => {
  for (const sql of accepted) {
    const { problems } = await judge(sql)
    const several = problems.every(({ name }) => name === 'Sql.SeveralStatements')
    expect(several ? [] : problems.map(({ name, message }) => [sql, name, message])).toEqual([])
  }
})
