/**
 * The online shop's days as snapshots of its price list: in any order, one by one or at once, they are one dimension. The gate takes a few of the days
 * one by one; `SLUICE_SWEEP=full` takes all of them in three orders.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { duckDbEngine } from '../../src/engines/duckdb/engine.ts'
import { openProject } from '../../src/run/project.ts'
import { quoteText } from '../../src/sql/quote.ts'
import { deliver, makeProject, realFiles } from './project.ts'

const folder = realFiles('online_retail_2010_12')
const days =
  folder === undefined
    ? []
    : readdirSync(folder)
        .filter((name) => name.endsWith('.csv'))
        .sort()
const isFull = process.env['SLUICE_SWEEP'] === 'full'
const engine = duckDbEngine({ memoryLimit: '1GB', threads: 1 })

const project = (options = ''): string =>
  makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': '{ "name": "p", "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }',
    'pipelines/shop/pipeline.yaml': `
name: shop
layers: [raw, stage]
sources:
  lines:
    kind: files
    path: inbox/*.csv
    fileDate: yyyy-MM-dd
    rowNumbers: true
    changedContent: replace
    duplicateContent: append
    columns:
      InvoiceNo: text
      StockCode: text
      Description: { type: text, nullable: true }
      Quantity: integer
      InvoiceDate: { type: timestamp, format: yyyy-MM-dd HH:mm:ss }
      UnitPrice: decimal(12,3)
      CustomerID: { type: text, nullable: true }
      Country: text
${options}loads:
  dim_price: { mode: scd2, from: stage.prices, key: StockCode, snapshot: file_date }
`,
    'pipelines/shop/stage/prices.sql':
      'SELECT StockCode, arg_max(UnitPrice, _row) AS price, _file_date AS file_date FROM raw.lines GROUP BY StockCode, _file_date\n',
  })

type Version = readonly [code: string, price: string, from: string, to: string]

/** Takes the files in batches, each a run; returns the dimension. */
async function dimensionOf(batches: readonly (readonly string[])[], options?: string): Promise<readonly Version[]> {
  const root = project(options)
  await using opened = await openProject(root)
  for (const batch of batches) {
    for (const name of batch) deliver(root, join(folder as string, name), `inbox/${name}`)
    expect((await opened.run()).summary).toMatchObject({ status: 'succeeded' })
  }
  await using session = await engine.open({
    attach: { path: join(root, 'warehouse.duckdb'), name: 'w', readOnly: true },
  })
  const rows = await session.all<{ code: string; price: string; since: string; until: string }>(
    `SELECT StockCode AS code, price::VARCHAR AS price, effective_date::VARCHAR AS since, expiry_date::VARCHAR AS until
     FROM w.dim_price ORDER BY StockCode, effective_date`,
  )
  return rows.map(({ code, price, since, until }) => [code, price, since, until])
}

/** The dimension by the rules alone: day after day, code after code; a day with less than half of the codes does not count. */
async function evaluated(files: readonly string[]): Promise<readonly Version[]> {
  await using session = await engine.open()
  const open = new Map<string, { price: string; since: string }>()
  const versions: Version[] = []
  let before = 0
  for (const name of [...files].sort()) {
    const day = /\d{4}-\d{2}-\d{2}/.exec(name)?.[0] as string
    const rows = await session.all<{ code: string; price: string }>(
      `SELECT StockCode AS code, last(UnitPrice::DECIMAL(12,3) ORDER BY n)::VARCHAR AS price
       FROM (SELECT *, row_number() OVER () AS n FROM read_csv(${quoteText(join(folder as string, name))}, all_varchar = true, header = true, parallel = false))
       GROUP BY StockCode`,
    )
    if (rows.length * 2 < before) continue
    before = rows.length
    const prices = new Map(rows.map(({ code, price }) => [code, price]))
    for (const [code, { price, since }] of [...open])
      if (prices.get(code) !== price) {
        versions.push([code, price, since, day])
        open.delete(code)
      }
    for (const [code, price] of prices) if (!open.has(code)) open.set(code, { price, since: day })
  }
  for (const [code, { price, since }] of open) versions.push([code, price, since, '9999-12-31'])
  return versions.sort(([a, , b], [c, , d]) => (a < c ? -1 : a > c ? 1 : b < d ? -1 : 1))
}

/** Every other first, then the rest backwards: each of these comes between two that are there. */
const late = (names: readonly string[]): readonly string[] => [
  ...names.filter((_, at) => at % 2 === 0),
  ...names.filter((_, at) => at % 2 === 1).reverse(),
]
/** The table knows its days by their files: of a late one no other is read. */
const byDay = 'tables:\n  stage.prices: { partitionBy: { kind: value, column: file_date } }\n'
const each = (names: readonly string[]): readonly (readonly string[])[] => names.map((name) => [name])

test.skipIf(folder === undefined)(
  `WH-06, WH-09: ${days.length} days are one history at once and in any order${folder === undefined ? ' (skipped: ../shared/data is absent)' : ''}`,
  async () => {
    const expected = await evaluated(days)
    expect(expected.length).toBeGreaterThan(2_000)
    expect(await dimensionOf([days])).toEqual(expected)
    const halves = late(days)
    const some = days.slice(0, 5)
    if (!isFull) {
      expect(await dimensionOf([halves.slice(0, 10), halves.slice(10, 13), halves.slice(13)])).toEqual(expected)
      expect(await dimensionOf(each(late(some)), byDay)).toEqual(await evaluated(some))
      return
    }
    for (const order of [days, [...days].reverse(), halves])
      expect(await dimensionOf(each(order), byDay)).toEqual(expected)
  },
)
