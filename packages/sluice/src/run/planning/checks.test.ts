import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { openProject } from '../project.ts'

const roots: string[] = []
afterEach(() => Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true }))))

async function problemsIn(files: Record<string, string>) {
  const root = await mkdtemp(join(tmpdir(), 'sluice-checks-'))
  roots.push(root)
  const all = { 'sluice.config.ts': `export default { name: 'x' }\n`, ...files }
  for (const [file, text] of Object.entries(all)) {
    await mkdir(join(root, dirname(file)), { recursive: true })
    await writeFile(join(root, file), text)
  }
  await using project = await openProject(root, { problems: 'read' })
  return project.check()
}

/** What is said of one check of a source, at its place. */
async function said(check: string): Promise<string> {
  const problems = await problemsIn({
    'pipelines/x/pipeline.ts': `import * as sluice from 'sluice'
import { files, format, freshness, grain, length, notNull, oneOf, pattern, pipeline, range, reconcile, reference, row, rowCount, sum, unique } from 'sluice'
export default pipeline('x', { layers: ['base', 'raw', 'stage'], sources: {
  t: files('inbox/t_*.csv', {
    columns: { a: 'text', b: 'integer', d: 'date', p: 'decimal(12,3)', f: 'float', u: 'uuid', flag: 'boolean' },
    checks: [
      ${check}
    ],
  }),
  other: files('inbox/o_*.csv', { columns: { n: 'bigint', s: 'text' } }),
} })
`,
  })
  return problems
    .filter(({ severity }) => severity === 'error')
    .map(({ at, message, suggestion }) => {
      const words = message.replace(/^.* cannot run: /, '')
      return `${at?.line}:${at?.column} ${words}${suggestion === undefined ? '' : ` (${suggestion})`}`
    })
    .join('\n')
}

describe('CT-07: a check that cannot run is reported before anything does, at its place', () => {
  test.each([
    ["row('this is not sql at all (')", '7:11 syntax error at or near "sql".'],
    ["row('bb > 1')", '7:11 it names a column "bb" that is not there (columns: a, b, d, p, f, u, flag). (b)'],
    // Rows are judged before their file is known.
    [`row("_file LIKE 'x%'")`, '7:11 it names a column "_file" that is not there (columns: a, b, d, p, f, u, flag).'],
    ["notNull('_file')", '7:15 it names a column "_file" that is not there (columns: a, b, d, p, f, u, flag).'],
    ["row('1=1) OR (1=1')", '7:11 syntax error at or near ")".'],
    ["row('b > 1, b < 9')", '7:11 it is more than one expression.'],
    ["row('b > 1 AS c')", '7:11 it is more than one expression, at its alias.'],
    ["row('b > 1 FROM base.t')", '7:11 it is more than one expression.'],
    ["row('b > 1; DROP TABLE x')", '7:11 it is more than one expression.'],
    ["row('1 UNION SELECT 2')", '7:11 it is more than one expression.'],
    ["row('b > $1')", '7:11 it has a parameter, which nothing fills in.'],
    ["row('count(*) > 1')", '7:11 it is over many rows, as aggregates are.'],
    ["row('sum(b) OVER () > 1')", '7:11 it looks at other rows, by OVER.'],
    ["row('b + 1')", '7:11 it gives INTEGER, and not true or false.'],
    [`row("d > '2024-13-01'")`, '7:11 date field value out of range: "2024-13-01".'],
    [`row("a IN (SELECT u FROM '/outside/the/project.csv')")`, '7:11 it reads another table.'],
    [`row("(SELECT count(*) FROM read_text('/etc/hostname')) > 5")`, '7:11 it reads another table.'],
    [
      `row("current_setting('temp_directory') = a")`,
      '7:11 it reads current_setting(…), and nothing but the columns of its own table can be read here.',
    ],
    [
      `row("getenv('HOME') = a")`,
      '7:11 it reads getenv(…), and nothing but the columns of its own table can be read here.',
    ],
    ["pattern('a', '(?=x)')", '7:20 its regular expression is not of RE2, which has no "(?=".'],
    ["pattern('a', '[')", '7:20 missing ]: [.'],
    [`row("regexp_matches(a, '(?<x>')")`, '7:11 its regular expression is not of RE2, which has no "(?<".'],
    [
      "pattern('b', 'x')",
      "7:20 No function matches the given name and argument types 'regexp_full_match(INTEGER, STRING_LITERAL)'.",
    ],
    ["length('b', { min: 1 })", "7:7 No function matches the given name and argument types 'length(INTEGER)'."],
    ["range('b', { min: 'abc' })", '7:25 its min "abc" is no number.'],
    ["range('b', { min: '1.5' })", '7:25 its min 1.5 has more digits after the point than INTEGER.'],
    ["range('b', { min: '3000000000' })", '7:25 its min "3000000000" is no INTEGER.'],
    ["range('d', { min: 5 })", "7:7 its min 5 is a number, and its column is DATE: write it as a text, '…'."],
    ["range('d', { max: '2024-02-30' })", '7:25 its max "2024-02-30" is no DATE.'],
    ["range('d', { max: '2024-02-01 10:00' })", '7:25 its max "2024-02-01 10:00" is no DATE.'],
    [
      "range('d', { min: '2024-03-01', max: '2024-02-01' })",
      '7:44 its min 2024-03-01 is above its max 2024-02-01, so that no value can pass.',
    ],
    // The engine would round such a text on its way to the comparison.
    ["range('p', { min: '0.0004' })", '7:25 its min 0.0004 has more digits after the point than DECIMAL(12,3).'],
    ["range('p', { min: 0.0004 })", '7:7 its min 0.0004 has more digits after the point than DECIMAL(12,3).'],
    ["range('p', { max: 1e21 })", "7:7 its max 1e+21 is compared exactly only as a text: '1000000000000000000000'."],
    ["range('a', { min: 5 })", "7:7 its min 5 is a number, and its column is VARCHAR: write it as a text, '…'."],
    ["range('u', { min: 'x' })", '7:25 its min "x" is no UUID.'],
    ["oneOf('b', ['1', 'x'])", '7:24 its value "x" is no number.'],
    ["oneOf('b', [1, 1.5])", '7:7 its value 1.5 has more digits after the point than INTEGER.'],
    ["oneOf('b', [1, 3000000000])", '7:7 its value "3000000000" is no INTEGER.'],
    ["oneOf('d', ['2024-01-01', 'tomorrow'])", '7:33 its value "tomorrow" is no DATE.'],
    ["sum('a', { min: 5 })", "7:7 its min 5 is a number, and its column is VARCHAR: write it as a text, '…'."],
    ["sum('p', { max: '10.1234' })", '7:23 its max 10.1234 has more digits after the point than DECIMAL(38,3).'],
    ["freshness('b', 4)", '7:7 "b" is INTEGER, and no instant.'],
    [
      "reference('a', 'base.other', { toColumns: ['n'] })",
      '7:17 "a" is VARCHAR, and "n" of base.other is BIGINT: they are never equal.',
    ],
    [
      "reconcile('sum(b)', 'base.other')",
      '7:17 it names a column "b" that is not there (columns: a, b, d, p, f, u, flag, _file, n, s, _file). (b)',
    ],
    ["reconcile('sum(', 'base.other')", '7:17 syntax error at end of input.'],
    ["reconcile('(SELECT 1)', 'base.other')", '7:17 it reads another table.'],
  ])('%s', async (check, expected) => {
    expect(await said(check)).toBe(expected)
  })

  test.each([
    "row('b > 1 -- a comment at its end')",
    "row('b > 1 AND (a IS NOT NULL OR p < 1.5)')",
    `row("d <= now() AND a NOT LIKE 'x%'")`,
    "row('len(list_filter([1, 2], lambda x: x > b)) > 0')",
    "row('isnan(f)')",
    "range('p', { min: 0.5, max: '100.250' }), range('b', { max: 3000000000 }), range('f', { min: 0.1, max: '1e3' })",
    "range('d', { min: '2024-01-01' }), range('a', { min: 'a', max: 'b' }), sum('p', { min: '0.5', max: 10 })",
    "oneOf('b', [1, '2']), oneOf('a', ['x']), oneOf('f', [0.1]), oneOf('p', ['1.50'])",
    "reference('b', 'base.other', { toColumns: ['n'] }), reference('a', 'base.other', { toColumns: ['s'] })",
    "reconcile('count(*)', 'base.other'), freshness('d', 24), rowCount({ min: 1 }), grain(['a']), unique('b')",
    "format('a', 'email'), length('a', { max: 5 }), notNull('u'), pattern('a', '[a-z]+')",
  ])('%s can', async (check) => {
    expect(await said(check)).toBe('')
  })
})

test('CT-07: a broken pipeline or model hides no problem of another, and what reads it is reported once', async () => {
  const problems = await problemsIn({
    'pipelines/a/pipeline.ts': `import { files, incremental, pipeline, range, row } from 'sluice'
export default pipeline('a', {
  layers: ['raw', 'stage'],
  sources: { t: files('inbox/t_*.csv', { columns: { a: 'text', b: 'integer' }, checks: [row('c > 1')], colums: {} }) },
  tables: { 'stage.x': { checks: [range('n', { min: 'x' }), row('m > 1')] } },
  loads: { l: incremental({ from: 'stage.x', by: 'nn' }) },
})
`,
    'pipelines/a/stage/x.sql': 'SELECT a, b AS n FROM raw.t',
    'pipelines/a/stage/y.sql': 'SELECT a, bb AS n FROM raw.t',
    'pipelines/a/stage/z1.sql': 'SELECT * FROM stage.y',
    'pipelines/a/stage/z2.sql': 'SELECT * FROM stage.z1',
    'pipelines/a/stage/w.sql': 'SELECT n + q AS r FROM stage.x',
    'pipelines/a/stage/v.sql': 'SELECT * FROM raw.of_b',
    'pipelines/b/pipeline.ts': 'export default {,}\n',
  })
  expect(problems.map(({ name, at, severity }) => `${severity} ${name} ${at?.file}:${at?.line}:${at?.column}`)).toEqual(
    [
      'error Sql.CheckUnfit pipelines/a/pipeline.ts:4:93',
      'error Definition.UnknownKey pipelines/a/pipeline.ts:4:104',
      'error Sql.CheckUnfit pipelines/a/pipeline.ts:5:53',
      'error Sql.CheckUnfit pipelines/a/pipeline.ts:5:65',
      'error Plan.UnknownColumn pipelines/a/pipeline.ts:6:50',
      'error Sql.UnknownColumn pipelines/a/stage/w.sql:1:12',
      'error Sql.UnknownColumn pipelines/a/stage/y.sql:1:11',
      'warning Sql.NotChecked pipelines/a/stage/z1.sql:undefined:undefined',
      'error Definition.FileFailed pipelines/b/pipeline.ts:1:16',
    ],
  )
  expect(problems.find(({ name }) => name === 'Sql.NotChecked')?.message).toContain('stage.z1, stage.z2')
})
