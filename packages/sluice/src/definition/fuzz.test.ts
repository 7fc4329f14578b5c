import fc from 'fast-check'
import { expect, test } from 'vitest'
import { procedures } from './builders/procedures.ts'
import { checkProject } from './problems/check.ts'
import type { Path } from './problems/places.ts'
import { noPlaces, placesInCode } from './problems/places.ts'
import { resolveConfig, resolvePipeline } from './resolve.ts'

const whole = {
  name: 'retail',
  layers: ['raw', 'stage'],
  sources: {
    sales: {
      kind: 'files',
      path: 'inbox/*.csv',
      columns: { id: 'integer', at: { type: 'timestamp', zone: 'UTC' } },
      checks: [
        { kind: 'range', column: 'id', min: 1 },
        { kind: 'grain', columns: ['id'] },
      ],
      key: { columns: ['id'], keep: { lastBy: 'at' } },
    },
    orders: {
      kind: 'procedure',
      connection: 'erp',
      procedure: 'dbo.usp_orders',
      columns: { id: 'integer', at: { type: 'timestamp', serverType: 'datetime2(7)' } },
      parameters: {
        a: { $window: 'from' },
        b: { $window: 'to' },
        c: { $each: { table: 'raw.sales', column: 'id', as: 'sale' } },
        d: { value: '1.5', type: 'decimal(9,4)' },
        e: { $runDate: { zone: 'UTC' } },
        f: null,
      },
      key: ['id', 'sale'],
      window: { start: '2024-01-01', overlapSeconds: 60 },
      output: { n: { type: 'integer', equals: 'rows' } },
      returnCodes: [0],
    },
    shop: {
      kind: 'cdc',
      connection: 'oltp',
      tables: ['public.customers'],
      snapshot: { connections: 2 },
      lag: { warnBytes: 1, alertSeconds: 9 },
    },
  },
  tables: {
    'stage.sales': { copy: 'raw.sales' },
    'stage.customers': {
      changes: {
        from: 'raw.shop',
        table: 'public.customers',
        as: 'history',
        key: 'id',
        columns: { id: 'bigint', mail: { type: 'text', nullable: true } },
        transforms: { mail: 'lower(mail)' },
        checks: [{ kind: 'notNull', column: 'mail' }],
      },
    },
    'stage.delivered': { changes: { from: 'raw.sales', dms: { op: 'id' }, key: ['at'] } },
    'raw.sales': { partitionBy: { kind: 'yearMonth', column: 'at' }, retention: { days: 1 } },
  },
  loads: {
    d: { mode: 'scd2', from: 'raw.sales', key: ['id'], deletes: { column: 'id', value: 'x' } },
    f: {
      mode: 'append',
      from: 'stage.customers',
      lookups: { sk: { dimension: 'd', key: { id: 'id' }, at: '_effective_at', missing: 'infer' } },
    },
  },
  schedule: { cron: '* * * * *', zone: 'UTC' },
  notifications: [{ kind: 'webhook', url: 'https://example.com', secret: { $secret: 'S' } }],
}

/** Every way into a value. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (value === null || typeof value !== 'object') return [path]
  const steps = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
  return [path, ...steps.flatMap((step) => pathsOf((value as Record<string, unknown>)[step], [...path, step]))]
}

/** The same value with another one at a path. */
function withAt(value: unknown, [step, ...rest]: Path, other: unknown): unknown {
  if (step === undefined) return other
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>
  copy[step] = withAt(copy[step], rest, other)
  return copy
}

/** Names that every object answers to, whether it has them or not. */
const inherited = fc.constantFrom(
  'toString',
  'constructor',
  'hasOwnProperty',
  '__proto__',
  'raw.toString',
  'stage.constructor',
)

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  inherited,
  fc.constantFrom(undefined, Number.NaN, () => 1, new Date(0)),
)

test('FZ-3: whatever stands wherever in a definition: a full pipeline or problems with a place, never an exception', () => {
  const { config } = resolveConfig({ name: 'shop' }, noPlaces('c.ts'))
  const places = placesInCode('pipeline.ts', JSON.stringify(whole, null, 2))
  expect(resolvePipeline(whole, { places, sqlFiles: [] }).problems).toEqual([])
  fc.assert(
    fc.property(fc.constantFrom(...pathsOf(whole)), anything, (path, other) => {
      const { pipeline, problems } = resolvePipeline(withAt(whole, path, other), { places, sqlFiles: [] })
      expect(pipeline === undefined).toBe(problems.length > 0)
      for (const { at } of problems) expect(at?.file).toBe('pipeline.ts')
      if (pipeline) checkProject({ config: config!, pipelines: [pipeline] }, () => places)
    }),
    { numRuns: 1000 },
  )
})

test('FZ-3: any text has a place for any path, inside the text', () => {
  const piece = fc.constantFrom(
    'a',
    'b:',
    "'",
    '"',
    '`',
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    ',',
    '//',
    '/*',
    '*/',
    '\\',
    '\n',
    ' ',
  )
  const steps = fc.array(fc.oneof(fc.constantFrom('a', 'b', '(', '*'), fc.nat(3)), { maxLength: 4 })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 80 }), steps, fc.constantFrom('a', undefined), (pieces, path, token) => {
      const text = pieces.join('')
      const { line, column } = placesInCode('p.ts', text).at(path, token)
      const lines = text.split('\n')
      expect(line).toBeLessThanOrEqual(lines.length)
      expect(column).toBeLessThanOrEqual(lines[line! - 1]!.length + 1)
    }),
    { numRuns: 3000 },
  )
})

test('FZ-3: whatever stands in a list of procedures: sources or problems with a place, never an exception', () => {
  const entry = { procedure: 'dbo.usp_orders', table: 'orders', columns: { id: 'integer' }, key: 'id' }
  const lists = fc.oneof(
    anything,
    fc.array(
      fc.oneof(
        anything,
        fc.constantFrom(...pathsOf(entry)).chain((path) => anything.map((other) => withAt(entry, path, other))),
      ),
    ),
  )
  const places = noPlaces('procedures.yaml')
  fc.assert(
    fc.property(lists, fc.boolean(), (list, inFile) => {
      const sources = procedures('erp', inFile ? 'procedures.yaml' : (list as never))
      const files = new Map([['procedures.yaml', { value: list, places }]])
      const { pipeline, problems } = resolvePipeline({ name: 'erp', sources }, { places, sqlFiles: [], lists: files })
      expect(pipeline === undefined).toBe(problems.length > 0)
      for (const { at } of problems) expect(at?.file).toBe('procedures.yaml')
    }),
    { numRuns: 500 },
  )
})
