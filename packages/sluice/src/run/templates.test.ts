import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { digest } from '../base/json.ts'
import type { CdcSource, ProcedureSource } from '../definition/types.ts'
import { loadProject } from './definition/load.ts'

const templates = fileURLToPath(new URL('../../templates', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-templates-'))
  await cp(templates, folder, { recursive: true })
})
afterAll(() => rm(folder, { recursive: true }))

/** Every file below a folder and what it holds. */
async function contents(root: string, folders = ['']): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const start of folders) {
    for (const entry of await readdir(join(root, start), { withFileTypes: true, recursive: true })) {
      const file = join(entry.parentPath, entry.name)
      if (entry.isFile()) found[relative(root, file)] = await readFile(file, 'utf8')
    }
  }
  return found
}

describe.each(['retail', 'file-drop', 'medallion'])('the template %s', (name) => {
  test('is a project without problems', async () => {
    const { project, problems } = await loadProject(join(folder, name))
    expect(problems).toEqual([])
    expect(project!.config.name).toBe(name)
    expect(Object.keys(await contents(join(folder, name)))).toEqual(
      expect.arrayContaining(['package.json', 'tsconfig.json', 'gitignore', 'AGENTS.md', 'README.md', 'generate.mjs']),
    )
  })

  test('delivers the same files every time, each once', async () => {
    const root = join(folder, name)
    const deliver = (...more: string[]): string =>
      execFileSync(process.execPath, [join(root, 'generate.mjs'), '--rows', '50', ...more], { encoding: 'utf8' })
    deliver()
    const first = await contents(root, ['inbox'])
    expect(Object.keys(first).length).toBeGreaterThan(2)
    await rename(join(root, 'inbox'), join(root, 'archive'))
    expect(deliver()).toContain('delivered before')
    expect(await contents(root, ['inbox'])).toEqual({})
    deliver('--fresh')
    expect(await contents(root, ['inbox'])).toEqual(first)
  })
})

test('the template procedures is a project without problems, and what one role may call is what its sources call', async () => {
  const root = join(folder, 'procedures')
  const { project, problems } = await loadProject(root)
  expect(problems).toEqual([])
  expect(Object.keys(project!.config.connections)).toEqual(['orion', 'vega'])
  const called = Object.values(project!.pipelines[0]!.sources).map((source) => (source as ProcedureSource).procedure)
  const texts = await Promise.all(
    ['orion', 'vega'].map((system) => readFile(join(root, 'erp', `${system}.sql`), 'utf8')),
  )
  const made = [...texts.join('').matchAll(/^CREATE (?:FUNCTION|PROCEDURE) ([\w.]+)/gm)].map(
    ([, procedure]) => procedure,
  )
  expect([...new Set(called)].sort()).toEqual(made.sort())
})

test('the template marketplace is a project without problems, and what its one role may read is what its source captures', async () => {
  const root = join(folder, 'marketplace')
  const { project, problems } = await loadProject(root)
  expect(problems).toEqual([])
  const { tables } = project!.pipelines[0]!.sources['shop'] as CdcSource
  const text = await readFile(join(root, 'shop/capture.sql'), 'utf8')
  const granted = [
    ...text.matchAll(
      /^(?:CREATE PUBLICATION sluice_shop FOR TABLE|GRANT SELECT ON) ([\w, ]+?)(?: TO sluice_reader)?;$/gm,
    ),
  ]
  expect(granted.map(([, names]) => names!.split(', ').map((name) => `public.${name}`))).toEqual([tables, tables])
})

const retailInYaml = `
name: retail
description: Daily sales of an online shop, as a star of products, customers and sales.
sources:
  sales:
    kind: files
    path: inbox/sales_*.csv
    fileDate: yyyy-MM-dd
    rowNumbers: true
    columns:
      invoice_no: text
      stock_code: text
      description: { type: text, nullable: true }
      quantity: integer
      invoice_date: { type: timestamp, format: M/d/yyyy H:mm, zone: Europe/London }
      unit_price: decimal(12, 3)
      customer_id: { type: text, nullable: true }
      country: text
    checks:
      - { kind: notNull, column: customer_id }
      - { kind: row, sql: invoice_no NOT LIKE 'C%', name: cancelled }
      - { kind: range, column: quantity, min: 1 }
      - { kind: range, column: unit_price, min: '0.001' }
    quarantine: { maxShare: 0.3 }
tables:
  stage.sales:
    partitionBy: { kind: yearMonth, column: invoice_date }
    drops: { from: raw.sales, why: the same line twice in one file }
  analytics.dim_product:
    checks: [{ kind: grain, columns: [stock_code, file_date] }]
  analytics.dim_customer:
    checks: [{ kind: grain, columns: [customer_id] }]
  analytics.fact_sales:
    checks:
      - { kind: grain, columns: [date_key, invoice_no, line_no] }
      - { kind: reference, columns: [stock_code], to: analytics.dim_product, toColumns: [stock_code] }
      - { kind: reference, columns: [customer_id], to: analytics.dim_customer, toColumns: [customer_id] }
      - { kind: reconcile, sql: sum(quantity), with: stage.sales }
loads:
  dim_product: { mode: scd2, from: analytics.dim_product, key: stock_code, effective: file_date }
  dim_customer: { mode: upsert, from: analytics.dim_customer, key: customer_id }
  fact_sales: { mode: incremental, from: analytics.fact_sales, by: date_key }
`

test('the same pipeline in TypeScript, YAML and JSON is the same definition', async () => {
  const inTypeScript = (await loadProject(join(folder, 'retail'))).project!
  const texts = { yaml: retailInYaml, json: JSON.stringify(parse(retailInYaml), null, 2) }
  for (const [ending, text] of Object.entries(texts)) {
    const root = join(folder, `retail-${ending}`)
    await cp(join(templates, 'retail'), root, { recursive: true })
    await rm(join(root, 'pipelines/retail/pipeline.ts'))
    await writeFile(join(root, `pipelines/retail/pipeline.${ending}`), text)
    const { project, problems } = await loadProject(root)
    expect(problems).toEqual([])
    const pipelines = project!.pipelines.map((pipeline) => ({ ...pipeline, file: inTypeScript.pipelines[0]!.file }))
    expect({ ...project, pipelines }).toEqual(inTypeScript)
    expect(digest({ ...project, pipelines })).toBe(digest(inTypeScript))
  }
})
