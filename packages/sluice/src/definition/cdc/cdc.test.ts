import { expect, test } from 'vitest'
import type { Problem } from '../../base/errors.ts'
import { cdc, changes } from '../builders/cdc.ts'
import { mysql, postgres } from '../builders/connections.ts'
import { append, replace, scd2 } from '../builders/loads.ts'
import { files } from '../builders/sources.ts'
import { sourceColumns } from '../columns.ts'
import { checkProject } from '../problems/check.ts'
import { noPlaces, placesInCode } from '../problems/places.ts'
import { secret } from '../problems/references.ts'
import { readData } from '../read-data.ts'
import { resolveConfig, resolvePipeline } from '../resolve.ts'
import type { Pipeline } from '../types.ts'

const server = { host: 'db.example.com', database: 'shop', user: 'sluice', password: secret('DB') }
const shop = cdc('oltp', { tables: ['public.customers', 'public.orders'] })
const customers = {
  columns: { id: 'bigint', email: 'text', city: { type: 'text', nullable: true } },
  key: 'id',
} as const

const told = ({ at, message, suggestion }: Problem): string =>
  `${at?.line}:${at?.column} ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`

function resolved(raw: object): Pipeline {
  const { pipeline, problems } = resolvePipeline(
    { name: 'shop', ...raw },
    { places: noPlaces('pipeline.ts'), sqlFiles: [] },
  )
  expect(problems).toEqual([])
  return pipeline!
}

function problemsOver(...pipelines: Pipeline[]): (readonly (string | undefined)[])[] {
  const raw = { name: 'shop', connections: { oltp: postgres(server), legacy: mysql(server) } }
  const { config } = resolveConfig(raw, noPlaces('sluice.config.ts'))
  return checkProject({ config: config!, pipelines }).map(({ message, suggestion }) => [message, suggestion])
}

test('a log has its slot and publication by its name, and limits that do not contradict what is given', () => {
  const { sources } = resolved({
    sources: {
      shop,
      Quiet: cdc('oltp', { tables: ['public.a'], slot: 'mine', lag: { alertBytes: 1000, warnSeconds: 7200 } }),
    },
  })
  expect(sources['shop']).toEqual({
    kind: 'cdc',
    connection: 'oltp',
    tables: ['public.customers', 'public.orders'],
    slot: 'sluice_shop',
    publication: 'sluice_shop',
    partitionBy: 'day',
    truncate: 'apply',
    failover: false,
    snapshot: { connections: 2, chunkPages: 8192 },
    maxBatchRows: 1_000_000,
    maxBatchBytes: 268_435_456,
    memoryBytes: 67_108_864,
    spillBytes: 17_179_869_184,
    heartbeatSeconds: 60,
    lag: {
      warnBytes: 268_435_456,
      alertBytes: 1_073_741_824,
      warnSeconds: 300,
      alertSeconds: 1800,
      repeatSeconds: 86_400,
    },
  })
  expect(sources['Quiet']).toMatchObject({
    slot: 'mine',
    publication: 'sluice_Quiet',
    lag: { warnBytes: 1000, alertBytes: 1000, warnSeconds: 7200, alertSeconds: 7200 },
  })
})

test('changes of a table become its model, with what the table declares beside', () => {
  const { models, tables } = resolved({
    sources: { shop },
    tables: {
      'stage.customers': {
        ...changes('raw.shop', 'public.customers', {
          ...customers,
          transforms: { email: 'lower(email)', domain: "split_part(email, '@', 2)" },
          checks: [{ kind: 'notNull', column: 'domain' }],
          quarantine: { maxRows: 5 },
        }),
        description: 'Customers as they are',
        checks: [{ kind: 'rowCount', min: 1 }],
      },
      'stage.customer_history': changes('raw.shop', 'public.customers', { ...customers, as: 'history' }),
    },
  })
  expect(models['stage.customers']).toEqual({
    kind: 'changes',
    from: 'raw.shop',
    table: 'public.customers',
    as: 'current',
    key: ['id'],
    columns: { id: { type: 'bigint' }, email: { type: 'text' }, city: { type: 'text', nullable: true } },
    transforms: { email: 'lower(email)', domain: "split_part(email, '@', 2)" },
    checks: [
      { kind: 'notNull', column: 'domain' },
      { kind: 'rowCount', min: 1 },
    ],
    quarantine: { maxShare: 0.01, maxRows: 5 },
  })
  expect(models['stage.customer_history']).toMatchObject({ as: 'history', transforms: {}, checks: [] })
  expect(tables['stage.customers']?.description).toBe('Customers as they are')
})

test('change files of DMS: the columns are those of the files, without those that tell what happened', () => {
  const delivered = files('dms/customers/*.csv', {
    columns: { Op: { type: 'text', nullable: true }, ts: 'timestamp', id: 'bigint', email: 'text' },
    rowNumbers: true,
  })
  const pipeline = resolved({
    sources: { customer_files: delivered },
    tables: { 'stage.customers': changes('raw.customer_files', { dms: { committedAt: 'ts' }, key: 'id' }) },
  })
  expect(pipeline.models['stage.customers']).toMatchObject({
    from: 'raw.customer_files',
    dms: { op: 'Op', committedAt: 'ts' },
    columns: { id: { type: 'bigint' }, email: { type: 'text' } },
  })
  expect(problemsOver(pipeline)).toEqual([])
})

test('CT-07: every problem of changes at once: place, allowed values, what was meant', () => {
  const yaml = `name: shop
sources:
  shop:
    kind: cdc
    connection: oltp
    tables: [customers, public.orders, public.orders]
    slot: Sluice Shop
    partitionBy: month
    snapshot: { connection: 4 }
    heartbeatSeconds: -1
    lag: { warnBytes: 10, alertBytes: 5 }
tables:
  stage.a: { changes: { from: raw.shop, key: id } }
  stage.b: { changes: { from: raw.shop, table: public.b, key: id } }
  stage.c: { changes: { from: raw.shop, table: public.c, dms: {}, key: id, columns: { id: integer } } }
  stage.d: { changes: { from: raw.files, dms: {}, key: id, columns: { id: integer } } }
  stage.e: { changes: { from: raw.shop, table: public.e, as: curent, key: id, columns: { id: intger } } }
  stage.f: { changes: { from: raw.shop, table: public.f, key: id, columns: { id: integer }, transforms: { id: id + 1 } } }
  stage.g: { changes: { from: raw.shop, table: public.g, as: history, key: id, columns: { id: integer, _OP: text } } }
loads:
  fact:
    mode: append
    from: stage.a
    lookups:
      customer_sk: { dimension: dim_customer, key: {}, at: at, missing: wait }
  dim: { mode: scd2, from: stage.a, key: id, lookups: {} }
`
  const { value, places } = readData('pipeline.yaml', yaml)
  expect(resolvePipeline(value, { places, sqlFiles: [] }).problems.map(told)).toMatchInlineSnapshot(`
    [
      "6:14 sources.shop.tables[0] must be a table with its schema, such as public.customers, not "customers".",
      "7:11 sources.shop.slot must be lower-case letters, digits and _, at most 63, not "Sluice Shop".",
      "8:18 sources.shop.partitionBy must be one of day, hour, not "month".",
      "9:17 sources.shop.snapshot has a key "connection" that Sluice does not know. Allowed: connections, chunkPages. (connections)",
      "10:5 sources.shop.heartbeatSeconds must be at least 0, not -1.",
      "13:14 tables.stage.a.changes needs a "table": the table of the log, or "dms" for files that AWS DMS has written.",
      "14:14 tables.stage.b.changes needs a "columns": the columns that are taken.",
      "15:58 tables.stage.c.changes.dms must be left out, as "table" names a table of a log, not an empty object.",
      "16:60 tables.stage.d.changes.columns must be left out, as the source of the files declares them, not an object.",
      "17:62 tables.stage.e.changes.as must be one of current, history, not "curent". (current)",
      "17:94 tables.stage.e.changes.columns.id must be one of text, tinyint, smallint, integer, bigint, real, float, boolean, date, timestamp, timestamptz, time, json, binary, uuid, or decimal(p,s) with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p, or an object, not "intger". (integer)",
      "18:93 tables.stage.f.changes.transforms must be free of "id", as a row is known by it; make another column of it, not an object.",
      "19:80 tables.stage.g.changes.columns must be free of "_op", which Sluice adds to a history, not an object.",
      "25:47 loads.fact.lookups.customer_sk.key must be at least one column, not an empty object.",
      "25:73 loads.fact.lookups.customer_sk.missing must be one of infer, fail, not "wait". (fail)",
      "26:46 loads.dim has a key "lookups" that Sluice does not know. Allowed: mode, from, distribute, sort, description, timeoutSeconds, key, track, effective, snapshot, allowEmpty, minShareOfPrevious, sequence, deletes, late, columns.",
    ]
  `)
})

test('a log captures a table once, and alerts no earlier than it warns', () => {
  const problems = (options: object): readonly string[] =>
    resolvePipeline(
      { name: 'shop', sources: { shop: { ...shop, ...options } } },
      { places: noPlaces('p.ts'), sqlFiles: [] },
    ).problems.map(({ message }) => message)
  expect(problems({ tables: ['public.a', '"a.b".c', 'public.a'] })).toEqual([
    'sources.shop.tables must be free of a second "public.a", not a list.',
  ])
  expect(problems({ lag: { warnSeconds: 10, alertSeconds: 5 } })).toEqual([
    'sources.shop.lag must be made of alerts that are not below the warnings, not an object.',
  ])
})

test('a log needs a connection to PostgreSQL, and a slot for itself', () => {
  const one = resolved({ sources: { shop, other: cdc('legacy', { tables: ['a.b'] }) } })
  const two = resolved({
    name: 'two',
    layers: ['landing'],
    sources: {
      again: cdc('oltp', { tables: ['public.a'], slot: 'sluice_shop' }),
      gone: cdc('oltpp', { tables: ['a.b'] }),
    },
  })
  expect(problemsOver(one, two)).toMatchInlineSnapshot(`
    [
      [
        "sources.other.connection must be a connection of kind postgres, whose changes can be captured, not "legacy".",
        undefined,
      ],
      [
        "sources.again.slot must be another than that of raw.shop, as what one reader took the other would miss, not "sluice_shop".",
        undefined,
      ],
      [
        "The configuration has no connection "oltpp". Connections: legacy, oltp.",
        "oltp",
      ],
    ]
  `)
})

test('a table of changes is of a table that is captured, and of nothing else', () => {
  const table = (from: string, name: string, more: object = {}): object =>
    changes(from, name, { ...customers, ...more } as never)
  const pipeline = resolved({
    sources: { shop, sales: files('inbox/*.csv', { columns: { Op: 'text', id: 'text' } }) },
    tables: {
      'stage.current': { copy: 'raw.shop' },
      'stage.typo': table('raw.shop', 'public.customer'),
      'stage.unknown': table('raw.shpo', 'public.customers'),
      'stage.model': table('stage.current', 'public.customers'),
      'stage.files': table('raw.sales', 'public.customers'),
      'stage.key': table('raw.shop', 'public.customers', { key: ['id', 'nr'] }),
      'stage.twin': table('raw.shop', 'public.customers', { columns: { id: 'bigint', ID: 'text' } }),
      'stage.checked': table('raw.shop', 'public.customers', { checks: [{ kind: 'notNull', column: 'mail' }] }),
      'stage.parted': { ...table('raw.shop', 'public.customers'), partitionBy: { kind: 'value', column: 'city' } },
      'stage.log': changes('raw.shop', { dms: {}, key: 'id' }),
      'stage.unordered': changes('raw.sales', { dms: { op: 'Opp' }, key: 'id' }),
      'raw.shop': { checks: [{ kind: 'rowCount', min: 1 }] },
    },
  })
  expect(problemsOver(pipeline)).toMatchInlineSnapshot(`
    [
      [
        "Table "stage.checked" has no column "mail". Columns: id, email, city.",
        "email",
      ],
      [
        "tables.raw.shop.checks must be left out: changes are checked where tables are made of them, not an object.",
        undefined,
      ],
      [
        "tables.stage.typo.changes.table must be one of the tables that raw.shop captures (public.customers, public.orders), not "public.customer".",
        "public.customers",
      ],
      [
        "Table "raw.shpo" does not exist. Tables: raw.sales, raw.shop, stage.checked, stage.current, stage.files, stage.key, stage.log, stage.model, stage.parted, stage.twin, stage.typo, stage.unknown, stage.unordered.",
        "raw.shop",
      ],
      [
        "tables.stage.model.changes.from must be the table of a source, as models say nothing of what changed, not "stage.current".",
        undefined,
      ],
      [
        "tables.stage.files.changes.from must be a log of changes (cdc), as "table" names a table of it, not "raw.sales".",
        undefined,
      ],
      [
        "Table "stage.key" has no column "nr". Columns: id, email, city.",
        undefined,
      ],
      [
        "tables.stage.twin.changes.columns.ID must be different from "id" in more than case, not "ID".",
        undefined,
      ],
      [
        "tables.stage.parted.partitionBy must be left out, as the table is made of changes, each of which is accounted for, not "partitionBy".",
        undefined,
      ],
      [
        "tables.stage.log.changes.from must be a source of files, as "dms" is about files, not "raw.shop".",
        undefined,
      ],
      [
        "Table "raw.sales" has no column "Opp". Columns: Op, id, _file.",
        "Op",
      ],
      [
        "tables.stage.unordered.changes.from must be a source of files with rowNumbers, whose mode is append: changes have an order, not "raw.sales".",
        undefined,
      ],
    ]
  `)
})

test('a table is made once: by changes, by a copy or by a file', () => {
  const raw = {
    name: 'shop',
    sources: { shop },
    tables: { 'stage.a': { ...changes('raw.shop', 'public.orders', customers), copy: 'raw.shop' } },
  }
  const { problems } = resolvePipeline(raw, {
    places: noPlaces('p.ts'),
    sqlFiles: [{ table: 'stage.a', file: 'stage/a.sql', sql: 'SELECT 1' }],
  })
  expect(problems.map(({ message }) => message)).toMatchInlineSnapshot(`
    [
      ""stage.a" is made twice: by a copy in p.ts and by changes in p.ts.",
      ""stage.a" is made twice: by a copy in p.ts and by stage/a.sql.",
    ]
  `)
})

test('a lookup is of a dimension, by the whole of its key, at a time that the fact has', () => {
  const orders = changes('raw.shop', 'public.orders', {
    columns: { id: 'bigint', customer_id: 'bigint', ordered_at: 'timestamptz' },
    key: 'id',
  })
  const lookup = { dimension: 'dim_customer', key: { customer_id: 'id' }, at: 'ordered_at' } as const
  const pipeline = (lookups: object): Pipeline =>
    resolved({
      sources: { shop },
      tables: {
        'stage.orders': orders,
        'stage.customer_history': changes('raw.shop', 'public.customers', { ...customers, as: 'history' }),
      },
      loads: {
        dim_customer: scd2({
          from: 'stage.customer_history',
          key: 'id',
          effective: '_effective_at',
          sequence: '_sequence',
        }),
        dim_city: replace({ from: 'stage.customer_history' }),
        fact_orders: append({ from: 'stage.orders', sort: ['customer_sk', 'id'], lookups: lookups as never }),
      },
    })
  const sound = pipeline({ customer_sk: lookup })
  expect(sound.loads['fact_orders']).toMatchObject({ lookups: { customer_sk: { ...lookup, missing: 'fail' } } })
  expect(problemsOver(sound)).toEqual([])
  expect(
    problemsOver(
      pipeline({
        customer_sk: { ...lookup, dimension: 'dim_custmer' },
        city_sk: { ...lookup, dimension: 'dim_city' },
        id: lookup,
        half_sk: { ...lookup, key: { customer_id: 'email', id: 'id' } },
        late_sk: { ...lookup, at: 'orderd_at' },
      }),
    ),
  ).toMatchInlineSnapshot(`
    [
      [
        "loads.fact_orders.lookups.customer_sk.dimension must be the target of an scd2 load (dim_customer), not "dim_custmer".",
        "dim_customer",
      ],
      [
        "loads.fact_orders.lookups.city_sk.dimension must be the target of an scd2 load (dim_customer), not "dim_city".",
        undefined,
      ],
      [
        "loads.fact_orders.lookups.id must be another name than that of a column of stage.orders, not "id".",
        undefined,
      ],
      [
        "loads.fact_orders.lookups.half_sk.key must be columns for the whole key of dim_customer (id), each once, not "email, id".",
        undefined,
      ],
      [
        "Table "stage.orders" has no column "orderd_at". Columns: id, customer_id, ordered_at.",
        "ordered_at",
      ],
    ]
  `)
})

test('places in code: what is wrong with changes is shown where it is written', () => {
  const code = `pipeline('shop', {
  sources: { shop: cdc('oltp', { tables: ['public.customers'] }) },
  tables: {
    'stage.customers': changes('raw.shop', 'public.custmers', { columns: { id: 'bigint' }, key: 'id' }),
  },
})`
  const places = placesInCode('pipeline.ts', code)
  const { pipeline } = resolvePipeline(
    {
      name: 'shop',
      sources: { shop: cdc('oltp', { tables: ['public.customers'] }) },
      tables: {
        'stage.customers': changes('raw.shop', 'public.custmers', { columns: { id: 'bigint' }, key: 'id' }),
      },
    },
    { places, sqlFiles: [] },
  )
  const { config } = resolveConfig({ name: 'shop', connections: { oltp: postgres(server) } }, noPlaces('c.ts'))
  const problems = checkProject({ config: config!, pipelines: [pipeline!] }, () => places)
  expect(problems.map(told)).toMatchInlineSnapshot(`
    [
      "4:44 tables.stage.customers.changes.table must be one of the tables that raw.shop captures (public.customers), not "public.custmers". (public.customers)",
    ]
  `)
})

test('the columns of a log: of each change what, where, when, and the row before and after', () => {
  const { sources } = resolved({
    sources: { shop, hourly: cdc('oltp', { tables: ['a.b'], slot: 'h', partitionBy: 'hour' }) },
  })
  const names = (key: string): string =>
    sourceColumns(sources[key]!)
      .map(({ name }) => name)
      .join(' ')
  expect(names('shop')).toBe(
    '_table _op _xid _lsn _position _seq _committed_at _effective_at key before after _unchanged _date',
  )
  expect(names('hourly')).toBe(`${names('shop')} _hour`)
})
