// Projects made for a benchmark, and the steps that run them through the published build.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mixedColumns } from './generate.mjs'

export const cli = new URL('../bin/sluice.mjs', import.meta.url).pathname

/** Writes a project whose files are given by path. */
export async function writeProject(root, files) {
  for (const [path, text] of Object.entries(files)) {
    const full = join(root, path)
    await mkdir(join(full, '..'), { recursive: true })
    await writeFile(full, text)
  }
}

/** Removes what runs leave behind. */
export async function forget(root) {
  for (const path of ['.sluice', 'lake', 'archive', 'warehouse.duckdb', 'warehouse.duckdb.wal']) {
    await rm(join(root, path), { recursive: true, force: true })
  }
}

export function configText({ memory = '1GB', concurrency = 2 } = {}) {
  return `import { defineConfig, duckdb } from 'sluice'
export default defineConfig({ name: 'bench', lake: { path: 'lake' }, warehouse: duckdb('warehouse.duckdb'), engine: { memoryLimit: '${memory}' }, concurrency: ${concurrency} })
`
}

/** One source of the twelve mixed columns, with eight checks. */
export function mixedPipelineText(pattern, options = '') {
  const columns = mixedColumns.map(
    ([name, type]) => `      ${name}: ${type === 'nullable' ? "nullable('text')" : `'${type}'`},`,
  )
  return `import { files, length, notNull, nullable, oneOf, pattern, pipeline, range } from 'sluice'
export default pipeline('bench', {
  sources: {
    orders: files('${pattern}', {
      columns: {
${columns.join('\n')}
      },
      checks: [
        notNull('code'), notNull('title'), range('quantity', { min: 1, max: 1000 }), range('amount', { min: 0 }), range('rating', { min: 0, max: 5 }),
        length('country', { min: 1, max: 40 }), pattern('code', '^C[0-9a-z]+$'), oneOf('rating', [0, 1, 2, 3, 4, 5]),
      ],
      quarantine: { maxShare: 0.05 },${options}
    }),
  },
})
`
}

/** Opens a project of the build and runs it; gives the run's summary. */
export async function runProject(root) {
  const { openProject } = await import('../dist/run/project.js')
  const project = await openProject(root)
  try {
    const { id, summary } = await project.run()
    if (summary.status !== 'succeeded') throw new Error((await project.log(id)).slice(-2000))
    return summary
  } finally {
    await project[Symbol.asyncDispose]()
  }
}

/** A DuckDB connection with the settings of Sluice's engine. */
export async function openDuckDb(path = ':memory:', memory = '1GB') {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(path, { memory_limit: memory })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
  return connection
}
