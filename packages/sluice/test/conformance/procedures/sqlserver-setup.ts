/** The suite's procedures in Transact-SQL, for a real server; and where Babelfish needs other words, those. */
import type { TypeCase } from './server.ts'

/** A procedure: its name as a text that needs no quoting yet, its parameters, and the statements of its body. */
export interface SetUpProcedure {
  readonly name: string
  readonly parameters?: string
  readonly body: readonly string[]
}

/** A name in brackets. */
export const bracketed = (name: string): string => `[${name.replaceAll(']', ']]')}]`

const text = (value: string): string => `N'${value.replaceAll("'", "''")}'`

/**
 * The types of the double that a real server stores exactly: without numbers below the normal ones, and on Babelfish with microseconds, and numerics
 * where decimals were declared.
 */
export function realTypes(cases: readonly TypeCase[], isBabelfish: boolean): readonly TypeCase[] {
  const numbers: { readonly [declared: string]: readonly string[] } = {
    real: ['1.2345679', '-3.4e+38', '0.1'],
    float: ['0.1', '1.7976931348623157e+308', '-123456789.12345679'],
  }
  return cases.map(({ declared, type, values }) => {
    const all = { declared, type, values: numbers[declared] ?? values }
    if (!isBabelfish) return all
    if (declared.startsWith('decimal')) return { ...all, serverType: declared.replace('decimal', 'numeric') }
    if (declared === 'datetimeoffset(7)')
      return {
        ...all,
        declared: 'datetimeoffset(6)',
        values: values.map((value) => value.replace(/(\.\d{6})\d/, '$1')),
      }
    if (declared.endsWith('(7)')) return { ...all, values: values.map((value) => value.replace(/(\.\d{6})\d/, '$10')) }
    return all
  })
}

/** A value as the server reads it in whatever language and date format it has. */
function literal({ declared, type }: TypeCase, value: string): string {
  if (type === 'binary') return `0x${value}`
  if (type === 'boolean') return value === 'true' ? '1' : '0'
  return `CAST(${text(type.startsWith('timestamp') ? value.replace(' ', 'T') : value)} AS ${declared})`
}

function typeProcedures(types: readonly TypeCase[]): SetUpProcedure[] {
  return types.flatMap((one, index) => {
    const rows = [...one.values.map((value) => literal(one, value)), 'NULL'].map((value, n) => `(${n}, ${value})`)
    return [
      {
        name: `types_${index}`,
        body: [
          `DECLARE @rows TABLE (n int, value ${one.declared})`,
          ...rows.map((row) => `INSERT INTO @rows (n, value) VALUES ${row}`),
          'SELECT value FROM @rows ORDER BY n',
        ],
      },
      { name: `echo_${index}`, parameters: `@value ${one.declared}`, body: ['SELECT @value AS answer'] },
    ]
  })
}

const digits = 'SELECT n FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS digit (n)'
const digitNames = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const

/** All combinations of so many digits, under the names a, b, c …. */
const combinations = (count: number): string =>
  digitNames
    .slice(0, count)
    .map((name) => `digits AS ${name}`)
    .join(' CROSS JOIN ')

/** The numbers from 1 to a million. */
const million = `WITH digits AS (${digits}), numbers AS (
  SELECT 1 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n AS id FROM ${combinations(6)})`

/** Some seconds: Babelfish has no WAITFOR, and counts a hundred million rows instead. */
const wait = (isBabelfish: boolean): readonly string[] =>
  isBabelfish
    ? ['DECLARE @count bigint', `WITH digits AS (${digits}) SELECT @count = COUNT(*) FROM ${combinations(8)}`]
    : ["WAITFOR DELAY '00:00:05'"]

/** All of the suite's procedures. No table is read: an EXECUTE-only login needs nothing else, on a server without ownership chaining, too. */
export function setUpProcedures(
  types: readonly TypeCase[],
  oddNames: readonly string[],
  isBabelfish: boolean,
): readonly SetUpProcedure[] {
  const one = 'SELECT 1 AS a'
  const raise = (what: string, severity = 16) => `RAISERROR(${text(what)}, ${severity}, 1)`
  const answer = ['SELECT @value AS answer']
  return [
    ...typeProcedures(types),
    ...oddNames.map((name) => ({
      name: name.replace(/^\[(.*)\]$/, (_, inside: string) => inside.replaceAll(']]', ']')),
      body: ["SELECT N'found' AS answer"],
    })),
    {
      name: 'many_rows',
      parameters: '@rows_wanted int',
      body: [
        `${million} SELECT id, CONCAT(N'label ', id) AS label, CAST(id / 7.0 AS decimal(18,4)) AS amount
           FROM numbers WHERE id <= @rows_wanted ORDER BY id`,
      ],
    },
    { name: 'error_before', body: [raise('broken before'), one] },
    { name: 'error_between', body: [one, raise('broken between'), one] },
    { name: 'error_after', body: [one, raise('broken after')] },
    { name: 'error_within', body: [`${million} SELECT id AS a, 1 / (5000 - id) AS b FROM numbers WHERE id <= 10000`] },
    { name: 'messages', body: [raise('only so that you know', 10), one] },
    { name: 'nothing', body: ["SELECT 1 AS id, N'x' AS label WHERE 1 = 0"] },
    { name: 'no_set', body: ['DECLARE @nothing int'] },
    { name: 'two_sets', body: [one, "SELECT N'x' AS b, N'y' AS c"] },
    {
      name: 'outputs',
      parameters: '@given int, @total bigint OUTPUT, @said nvarchar(50) OUTPUT',
      body: ['SELECT @given AS id', 'SET @total = 9007199254740993', "SET @said = N'done'", 'RETURN 7'],
    },
    { name: 'wait_long', body: [one, ...wait(isBabelfish), one] },
    { name: 'forbidden', body: [one] },
    { name: 'short_text', parameters: '@value nvarchar(10)', body: answer },
    { name: 'long_text', parameters: '@value nvarchar(max)', body: answer },
    {
      name: 'session_settings',
      body: [
        "SELECT @@DATEFIRST AS datefirst, @@LANGUAGE AS language, CONVERT(varchar(8), CAST('02/01/2024' AS datetime), 112) AS first_of_february",
      ],
    },
    {
      name: 'changes_session',
      body: isBabelfish ? ['SET DATEFIRST 1'] : ['SET LANGUAGE French', 'SET DATEFORMAT dmy', 'SET DATEFIRST 3'],
    },
  ]
}

/** What `session_settings` says of our sessions. */
export const realSession = { datefirst: '7', language: 'us_english', first_of_february: '20240201' } as const

/** The batch that makes a procedure: nothing else may stand in it. */
export const creation = (schema: string, { name, parameters = '', body }: SetUpProcedure): string =>
  `CREATE PROCEDURE ${bracketed(schema)}.${bracketed(name)} ${parameters} AS\nBEGIN\n${body.map((statement) => `${statement};\n`).join('')}END`
