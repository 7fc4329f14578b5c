import { beforeAll, describe, expect, test } from 'vitest'
import { accepted, corpusSchema, refused } from '../../test/sql/corpus.ts'
import { duckDbEngine } from '../engines/duckdb/engine.ts'
import type { Session } from '../engines/engine.ts'
import type { SqlAnalysis } from './analysis.ts'
import { openSqlParser, type SqlParser } from './parser.ts'
import { quoteIdentifier } from './quote.ts'

let session: Session
let parser: SqlParser

beforeAll(async () => {
  parser = await openSqlParser()
  session = await duckDbEngine({ memoryLimit: '256MB', threads: 1 }).open()
  for (const [table, columns] of Object.entries(corpusSchema)) {
    const dot = table.indexOf('.')
    const [layer, name] = [table.slice(0, dot), table.slice(dot + 1)]
    const list = columns.map((column) => `${quoteIdentifier(column.name)} ${column.type}`)
    await session.run(`CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(layer)}`)
    await session.run(`CREATE TABLE ${quoteIdentifier(layer)}.${quoteIdentifier(name)} (${list.join(', ')})`)
  }
  return () => session.close()
})

const analyse = (sql: string): SqlAnalysis => parser.analyse({ sql, file: 'm.sql', table: 'stage.m' }, corpusSchema)
const withoutEnd = (sql: string): string => sql.replace(/;\s*$/, '')
const isUnknown = (analysis: SqlAnalysis): boolean =>
  analysis.problems.some(({ name }) => name === 'Sql.LineageUnknown')

describe('against the binder of DuckDB', () => {
  test.each(accepted)('accepted: %s', async (sql) => {
    const described = await session.describe(withoutEnd(sql))
    const analysis = analyse(sql)
    expect(analysis.problems.filter(({ severity }) => severity === 'error')).toEqual([])
    if (!isUnknown(analysis)) {
      expect(analysis.columns.map(({ column }) => column)).toEqual(described.map(({ name }) => name))
    }
  })

  test('lineage is unknown where columns depend on data or the parser stops, and nowhere else', () => {
    expect(accepted.filter((sql) => isUnknown(analyse(sql)))).toEqual([
      "select columns(c -> c like 'inv%') from raw.sales",
      "select * like 'inv%' from raw.sales",
      "select * not like 'inv%' from raw.sales",
      'with a as (select quantity from raw.sales) (select quantity from a order by 1) limit 1',
      'select * from (select country, quantity, year(invoice_date) as y from raw.sales) pivot (sum(quantity) for y in (2010, 2011) group by country)',
      "select * from (pivot (select country, quantity from raw.sales) on country in ('UK', 'FR') using sum(quantity))",
    ])
    for (const sql of accepted.filter((query) => isUnknown(analyse(query)))) {
      expect(analyse(sql).tables).toContain('raw.sales')
    }
  })

  test.each(refused)('refused: %s', async (sql) => {
    await expect(session.describe(sql)).rejects.toThrow()
    const errors = analyse(sql).problems.filter(({ severity }) => severity === 'error')
    expect(errors).not.toEqual([])
    for (const { at } of errors) expect(at).toMatchObject({ file: 'm.sql', line: 1 })
  })
})
