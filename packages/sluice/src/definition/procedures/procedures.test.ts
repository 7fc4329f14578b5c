import { expect, test } from 'vitest'
import type { Problem } from '../../base/errors.ts'
import { postgres, sqlServer } from '../builders/connections.ts'
import { each, parameter, procedures, runDate, windowFrom, windowTo } from '../builders/procedures.ts'
import { sourceColumns } from '../columns.ts'
import { checkProject } from '../problems/check.ts'
import { noPlaces, placesInCode } from '../problems/places.ts'
import { secret } from '../problems/references.ts'
import { readData } from '../read-data.ts'
import { resolveConfig, resolvePipeline } from '../resolve.ts'
import type { Pipeline, ProcedureSource } from '../types.ts'

const reader = { host: 'erp.example.com', database: 'erp', user: 'sluice', password: secret('ERP') }
const columns = { id: 'integer', at: 'timestamp' } as const

const told = ({ at, message, suggestion }: Problem): string =>
  `${at?.line}:${at?.column} ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`

function resolved(raw: object): Pipeline {
  const { pipeline, problems } = resolvePipeline(
    { name: 'erp', ...raw },
    { places: noPlaces('pipeline.ts'), sqlFiles: [] },
  )
  expect(problems).toEqual([])
  return pipeline!
}

function problemsOver(...pipelines: Pipeline[]): (readonly (string | undefined)[])[] {
  const raw = { name: 'shop', connections: { erp: sqlServer(reader), old_erp: postgres(reader) } }
  const { config } = resolveConfig(raw, noPlaces('sluice.config.ts'))
  return checkProject({ config: config!, pipelines }).map(({ message, suggestion }) => [message, suggestion])
}

test('CT-07: every problem of procedures at once: place, allowed values, what was meant', () => {
  const yaml = `name: erp
sources:
  customers:
    kind: procedure
    connection: erp
    procedure: dbo.[usp customers]
    columns: { id: { type: integer, serverTyp: int }, at: dat }
    mode: mrge
    parameters:
      '@a': 1
      b: { $window: form }
      c: { $runDat: {} }
      d: { $each: { table: raw.a } }
      e: { value: 1, type: intger }
      f: 12345678901234567890
      g: { $runDate: { zone: Europe/Londn } }
    window: { start: 2024-02-30, overlapSeconds: -1, lag: 3 }
    resultSet: 0
    timeoutSeconds: 0
  b:
    kind: procedure
    connection: erp
    procedure: a.b.c.d
    columns: { id: integer }
    parameters: { a: { $window: to } }
  c:
    kind: procedure
    connection: erp
    procedure: a
    columns: { id: integer }
    parameters: { a: { $window: from }, b: { $each: { table: raw.x, column: y, as: ID } }, c: { $each: { table: raw.x, column: y } } }
    output: { a: { type: integer } }
    window: { start: 2024-01-01, overlapSeconds: 5 }
    mode: append
tables: { stage.x: { copy: raw } }
`
  const { value, places } = readData('pipeline.yaml', yaml)
  expect(resolvePipeline(value, { places, sqlFiles: [] }).problems.map(told)).toMatchInlineSnapshot(`
    [
      "6:16 sources.customers.procedure must be written without brackets, quotes or semicolons, as each part is quoted when it is sent, not "dbo.[usp customers]".",
      "10:7 The name "@a" in sources.customers.parameters must be letters, digits and _, without @, at most 127, not "@a".",
      "11:21 sources.customers.parameters.b.$window must be one of from, to, not "form". (from)",
      "12:7 sources.customers.parameters.c must be a text, or a number, or true or false, or null, or { value, type }, or { $runDate }, or { $window }, or { $parameter }, or { $each }, not an object.",
      "13:12 sources.customers.parameters.d.$each needs a "column": a text.",
      "14:28 sources.customers.parameters.e.type must be one of text, tinyint, smallint, integer, bigint, real, float, boolean, date, timestamp, timestamptz, time, json, binary, uuid, or decimal(p,s) with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p, not "intger". (integer)",
      "15:7 sources.customers.parameters.f must be a number that JavaScript holds exactly; beyond, a text with its type, not 12345678901234567000.",
      "16:30 sources.customers.parameters.g.$runDate.zone must be an IANA zone such as Europe/London, not "Europe/Londn". (Europe/London)",
      "7:37 sources.customers.columns.id has a key "serverTyp" that Sluice does not know. Allowed: type, nullable, from, nulls, format, zone, overlap, fraction, trueValues, falseValues, decimalSeparator, groupSeparator, trim, encoding, description, serverType. (serverType)",
      "7:59 sources.customers.columns.at must be one of text, tinyint, smallint, integer, bigint, real, float, boolean, date, timestamp, timestamptz, time, json, binary, uuid, or decimal(p,s) with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p, or an object, not "dat". (date)",
      "18:5 sources.customers.resultSet must be at least 1, not 0.",
      "8:11 sources.customers.mode must be one of replace, append, merge, not "mrge". (merge)",
      "17:22 sources.customers.window.start must be a date or a local time in ISO 8601, such as 2024-01-31 or 2024-01-31 18:00:00, not "2024-02-30".",
      "17:34 sources.customers.window.overlapSeconds must be at least 0, not -1.",
      "17:54 sources.customers.window has a key "lag" that Sluice does not know. Allowed: start, zone, overlapSeconds, lagSeconds.",
      "19:5 sources.customers.timeoutSeconds must be at least 1, not 0.",
      "23:16 sources.b.procedure must be a name of one to three parts, such as dbo.usp_customers, not "a.b.c.d".",
      "20:3 sources.b needs a "window": a window with its "start", as a parameter takes a bound of it.",
      "34:11 sources.c.mode must be "merge", as an overlap brings rows twice, not "append".",
      "31:5 sources.c.parameters must be free of a second { $each }, as there is one call for each value of one column, not an object.",
      "31:5 sources.c.parameters must be free of { as: ID }, as that is a column of the result, not an object.",
      "32:5 sources.c.output must be free of "a", which is a parameter already, not an object.",
      "35:28 tables.stage.x.copy must be the full name of a table, <layer>.<table>, not "raw".",
    ]
  `)
})

test('a bound of a window needs the window, and the window a bound; what comes twice needs a key', () => {
  const misfit = (more: object): readonly string[] => {
    const raw = { name: 'erp', sources: procedures('erp', [{ procedure: 'usp_a', columns, ...more }]) }
    return resolvePipeline(raw, { places: noPlaces('p.ts'), sqlFiles: [] }).problems.map(({ message }) =>
      message.slice(0, 22),
    )
  }
  const [window, both] = [{ start: '2024-01-01' }, { since: windowFrom(), until: windowTo() }]
  expect(misfit({ parameters: both, window })).toEqual([])
  expect(misfit({ parameters: { since: windowFrom() }, window, key: 'id' })).toEqual([])
  expect(misfit({ parameters: { since: windowFrom() }, window })).toEqual(['sources.a needs a "key'])
  expect(misfit({ parameters: both })).toEqual(['sources.a needs a "win'])
  expect(misfit({ window })).toEqual(['sources.a.window must '])
  expect(misfit({ mode: 'merge' })).toEqual(['sources.a needs a "key'])
  expect(misfit({ parameters: both, window: { ...window, overlapSeconds: 60 } })).toEqual(['sources.a needs a "key'])
  const nullable = { columns: { id: { type: 'integer', nullable: true } }, key: 'id' }
  expect(misfit(nullable)).toEqual([])
  expect(misfit({ ...nullable, mode: 'merge' })).toEqual(['sources.a.key must be '])
  expect(misfit({ ...nullable, parameters: both, window })).toEqual(['sources.a.key must be '])
})

test('what was left out takes its default, and a value of another table the type that it has there', () => {
  const { sources } = resolved({
    sources: {
      ...procedures('erp', [
        { procedure: 'dbo.usp_regions', columns: { id: 'smallint' } },
        {
          procedure: 'erp.dbo.get_sales',
          columns,
          parameters: {
            region: each('raw.regions', 'id', { as: 'region' }),
            rate: parameter('1.10', 'decimal(9,4)'),
            day: runDate(),
            since: windowFrom(),
            until: windowTo(),
          },
          key: 'id',
          window: { start: '2024-01-01' },
        },
      ]),
    },
  })
  expect(Object.keys(sources)).toEqual(['regions', 'sales'])
  const { regions, sales } = sources as Record<string, ProcedureSource>
  expect(regions).toEqual({
    kind: 'procedure',
    connection: 'erp',
    procedure: 'dbo.usp_regions',
    parameters: {},
    columns: { id: { type: 'smallint' } },
    resultSet: 1,
    evolve: 'none',
    mode: 'replace',
    output: {},
    returnCodes: [0],
    messages: 'record',
    checks: [],
    quarantine: { maxShare: 0.01, maxRows: 1000 },
    timeoutSeconds: 600,
  })
  expect(sales).toMatchObject({
    mode: 'merge',
    key: ['id'],
    window: { start: '2024-01-01', zone: 'UTC', overlapSeconds: 0, lagSeconds: 0 },
    parameters: {
      region: { $each: { table: 'raw.regions', column: 'id', type: 'smallint', as: 'region' } },
      day: { $runDate: { zone: 'UTC' } },
    },
  })
  expect(sourceColumns(sales!).at(-1)).toEqual({ name: 'region', type: 'SMALLINT', nullable: false })
})

test('the same procedure of two systems is two sources, never one in the place of the other', () => {
  const list = [{ procedure: 'usp_customers', columns }]
  const raw = { name: 'erp', sources: { ...procedures('erp', list), ...procedures('old_erp', list) } }
  const { problems } = resolvePipeline(raw, { places: noPlaces('p.ts'), sqlFiles: [] })
  expect(problems.map(({ message }) => message)).toEqual([
    '"customers" is made twice: by a source of p.ts and by usp_customers of p.ts.',
  ])
  const named = procedures('old_erp', [{ ...list[0]!, table: 'old_customers' }])
  expect(Object.keys(resolved({ sources: { ...procedures('erp', list), ...named } }).sources)).toEqual([
    'customers',
    'old_customers',
  ])
})

test('an entry of a list in code is told at its own place, though another has the same words', () => {
  const code = `export default pipeline('erp', {
  sources: {
    ...procedures('erp', [
      { procedure: 'usp_a', columns: { id: 'integer', at: 'date' } },
      { procedure: 'usp_b', columns: { id: 'integer', at: 'dat' } },
      {
        table: 'c',
        procedure: 'usp_a',
        mode: 'mrge',
        columns: { id: 'integer' },
      },
    ]),
  },
})`
  const list: object[] = [
    { procedure: 'usp_a', columns: { id: 'integer', at: 'date' } },
    { procedure: 'usp_b', columns: { id: 'integer', at: 'dat' } },
    { table: 'c', procedure: 'usp_a', mode: 'mrge', columns: { id: 'integer' } },
  ]
  const raw = { name: 'erp', sources: procedures('erp', list as never) }
  const { problems } = resolvePipeline(raw, { places: placesInCode('pipeline.ts', code), sqlFiles: [] })
  expect(problems.map(({ at }) => [at?.line, at?.column])).toEqual([
    [5, 59],
    [9, 15],
  ])
})

test('a list in a file: its entries are sources, and their problems stand in that file', () => {
  const text = `- procedure: dbo.usp_customers
  columns: { id: integer }
- procedure: dbo.usp_sales
  columns: { id: intger }
- { procedure: dbo.usp_a, columns: { id: integer }, conection: x }
- { procedure: dbo.usp_a, columns: { id: integer }, connection: x }
- usp_b
- { procedure: dbo.usp_a, table: __proto__, columns: { id: integer } }
`
  const list = readData('pipelines/erp/procedures.yaml', text)
  const raw = { name: 'erp', sources: { ...procedures('erp', 'procedures.yaml') } }
  const { problems, places } = resolvePipeline(raw, {
    places: noPlaces('pipelines/erp/pipeline.ts'),
    sqlFiles: [],
    lists: new Map([['procedures.yaml', list]]),
  })
  expect(problems.map((one) => `${one.at?.file} ${told(one)}`)).toMatchInlineSnapshot(`
    [
      "pipelines/erp/procedures.yaml 6:53 The entry a of a list of procedures has a key "connection" that Sluice does not know.",
      "pipelines/erp/procedures.yaml 7:3 Entry 5 of the list of procedures in pipelines/erp/procedures.yaml must be an object, not a string.",
      "pipelines/erp/procedures.yaml 8:3 The table of entry 6 of the list of procedures in pipelines/erp/procedures.yaml must be another name than __proto__, not a string.",
      "pipelines/erp/procedures.yaml 4:18 sources.sales.columns.id must be one of text, tinyint, smallint, integer, bigint, real, float, boolean, date, timestamp, timestamptz, time, json, binary, uuid, or decimal(p,s) with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p, or an object, not "intger". (integer)",
      "pipelines/erp/procedures.yaml 5:53 sources.a has a key "conection" that Sluice does not know. Allowed: kind, connection, procedure, parameters, columns, resultSet, evolve, mode, key, window, output, returnCodes, messages, rowCount, checks, quarantine, timeoutSeconds, description. (connection)",
    ]
  `)
  expect(places.at(['sources', 'customers', 'procedure'])).toMatchObject({
    file: 'pipelines/erp/procedures.yaml',
    line: 1,
  })
})

test('connections, tables and calls that do not fit the project, with what was meant', () => {
  const sources = {
    ...procedures('erp', [
      { procedure: 'usp_regions', columns: { id: 'integer' } },
      { procedure: 'usp_a', columns, parameters: { r: each('raw.region', 'id') } },
      { procedure: 'usp_b', columns, parameters: { r: each('raw.regions', 'idd') } },
      { procedure: 'usp_c', columns, parameters: { r: each('raw.c', 'id') } },
      { procedure: 'usp_a', table: 'again', columns, parameters: { r: each('raw.region', 'id') } },
      { procedure: 'usp_a', table: 'second', resultSet: 2, columns, parameters: { r: each('raw.regions', 'id') } },
    ]),
    ...procedures('old_er', [{ procedure: 'usp_d', columns, key: 'idd' as never }]),
  }
  expect(problemsOver(resolved({ sources }))).toMatchInlineSnapshot(`
    [
      [
        "Table "raw.d" has no column "idd". Columns: id, at.",
        "id",
      ],
      [
        "Table "raw.region" does not exist. Tables: raw.a, raw.again, raw.b, raw.c, raw.d, raw.regions, raw.second.",
        "raw.regions",
      ],
      [
        "Table "raw.regions" has no column "idd". Columns: id.",
        "id",
      ],
      [
        "sources.c.parameters must be { $each } of another table, not "raw.c".",
        undefined,
      ],
      [
        "Table "raw.region" does not exist. Tables: raw.a, raw.again, raw.b, raw.c, raw.d, raw.regions, raw.second.",
        "raw.regions",
      ],
      [
        "The call of sources.again must be another one than that of raw.a, by its parameters or its resultSet, not usp_a again.",
        undefined,
      ],
      [
        "The configuration has no connection "old_er". Connections: erp, old_erp.",
        "old_erp",
      ],
    ]
  `)
})

test('a copy is a model: of a table that exists, also in another pipeline, and the only model of its table', () => {
  const sources = procedures('erp', [{ procedure: 'usp_customers', columns }])
  const tables = { 'stage.customers': { copy: 'raw.customers' } }
  const erp = resolved({ sources, tables })
  expect(erp.models).toEqual({
    'stage.customers': { kind: 'sql', sql: 'SELECT * FROM "raw"."customers"', file: 'pipeline.ts' },
  })
  expect(problemsOver(erp, resolved({ name: 'other', tables: { 'stage.more': { copy: 'stage.customers' } } }))).toEqual(
    [],
  )
  const wrong = { 'stage.customers': { copy: 'raw.customer' }, 'stage.self': { copy: 'stage.self' } }
  expect(problemsOver(resolved({ sources, tables: wrong }))).toEqual([
    ['Table "raw.customer" does not exist. Tables: raw.customers, stage.customers, stage.self.', 'raw.customers'],
    ['tables.stage.self.copy must be another table than itself, not "stage.self".', undefined],
  ])
  const sql = { table: 'stage.customers', file: 'stage/customers.sql', sql: 'SELECT 1' }
  const twice = resolvePipeline({ name: 'erp', sources, tables }, { places: noPlaces('p.ts'), sqlFiles: [sql] })
  expect(twice.problems.map(({ message }) => message)).toEqual([
    '"stage.customers" is made twice: by a copy in p.ts and by stage/customers.sql.',
  ])
  const layer = resolvePipeline(
    { name: 'erp', tables: { 'stag.a': { copy: 'raw.a' } } },
    { places: noPlaces('p.ts'), sqlFiles: [] },
  )
  expect(layer.problems).toMatchObject([{ name: 'Definition.UnknownLayer', suggestion: 'stage' }])
})

test('P17: a password is a reference, and never repeated where it is not', () => {
  const resolve = (connection: object) =>
    resolveConfig({ name: 'shop', connections: { erp: connection } }, noPlaces('sluice.config.ts'))
  expect(resolve(sqlServer(reader)).config?.connections['erp']).toEqual({
    kind: 'sqlserver',
    ...reader,
    port: 1433,
    tls: 'verified',
    maxConnections: 4,
    connectTimeoutSeconds: 15,
  })
  const { problems } = resolve({ ...reader, kind: 'mysql', password: 'canary-4711' })
  expect(problems).toMatchObject([{ name: 'Definition.PlaintextSecret' }])
  expect(JSON.stringify(problems)).not.toContain('canary')
  const names = (connection: object) => resolve(connection).problems.map(({ message }) => message.split(' must')[0])
  expect(names({ ...reader, kind: 'mysql', ca: '../ca.pem', port: 0, tls: 'none', maxConnections: 0 })).toEqual([
    'connections.erp.port',
    'connections.erp.tls',
    'connections.erp.ca',
    'connections.erp.maxConnections',
  ])
})
