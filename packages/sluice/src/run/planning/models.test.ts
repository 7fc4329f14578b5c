import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { duckDbEngine } from '../../engines/duckdb/engine.ts'
import { loadProject } from '../definition/load.ts'
import { analyseModels } from './models.ts'

const roots: string[] = []
afterEach(() => Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true }))))

async function problemsOf(day: string, sql: string): Promise<readonly string[]> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-analyse-'))
  roots.push(root)
  await mkdir(join(root, 'pipelines/shop/stage'), { recursive: true })
  await writeFile(join(root, 'sluice.config.json'), '{ "name": "shop" }')
  const sources = { orders: { kind: 'files', path: 'inbox/*.csv', columns: { day: { type: 'date', format: day } } } }
  await writeFile(join(root, 'pipelines/shop/pipeline.json'), JSON.stringify({ name: 'shop', sources }))
  await writeFile(join(root, 'pipelines/shop/stage/orders.sql'), sql)
  const { project, problems } = await loadProject(root)
  expect(problems).toEqual([])
  const found = await analyseModels(project!, duckDbEngine({ memoryLimit: '256MB', threads: 1 }))
  return found.problems.map(({ message, at }) => `${at?.file}: ${message}`)
}

test('IN-14: a pattern that no file could be read by is found before one is', async () => {
  const sql = 'SELECT day FROM raw.orders'
  expect(await problemsOf('yyyy-MM-dd', sql)).toEqual([])
  expect(await problemsOf('YYYY-MM-DD', sql)).toEqual([
    'pipelines/shop/pipeline.json: Column "day" cannot be read as it is declared: the pattern "YYYY-MM-DD" has "YYYY", which is not known here.',
  ])
})

test('a syntax error is told as the engine tells it, without its way there', async () => {
  const found = await problemsOf('yyyy-MM-dd', 'SELECT day,, day AS b FROM raw.orders')
  expect(found.join('\n')).toContain('DuckDB refuses the model: Parser Error: syntax error')
})
