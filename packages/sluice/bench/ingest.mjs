// Raw ingestion of a file against a bare typed COPY of the same file, which skips bad rows without a word.
import { copyFile, mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { mixedColumns, writeMixedCsv } from './generate.mjs'
import { ratioText, report, rounds, step } from './measure.mjs'
import { configText, forget, mixedPipelineText, openDuckDb, runProject, writeProject } from './project.mjs'

const typed = `{${mixedColumns.map(([name, , type]) => `'${name}': '${type}'`).join(', ')}}`

export const steps = {
  ours: async ({ root, rows }) => {
    const summary = await runProject(root)
    if (summary.rows.read !== rows) throw new Error(`read ${summary.rows.read} of ${rows} rows`)
    return summary.rows
  },
  theirs: async ({ csv, out }) => {
    const connection = await openDuckDb()
    await connection.run(
      `COPY (SELECT * FROM read_csv('${csv}', columns = ${typed}, header = true, delim = ',', quote = '"', escape = '"', auto_detect = false, ignore_errors = true)) TO '${out}' (FORMAT parquet, COMPRESSION zstd)`,
    )
  },
}

export async function run({ folder, quick, count }) {
  for (const rows of quick ? [100_000] : [1_000_000, 5_000_000]) {
    const csv = join(folder, `orders-${rows}.csv`)
    const bad = await writeMixedCsv(csv, rows)
    const root = join(folder, `ingest-${rows}`)
    await writeProject(root, {
      'sluice.config.ts': configText(),
      'pipelines/bench/pipeline.ts': mixedPipelineText('inbox/*.csv'),
    })
    const values = await rounds(
      count,
      async () => {
        await forget(root)
        await mkdir(join(root, 'inbox'), { recursive: true })
        await copyFile(csv, join(root, 'inbox', 'orders.csv'))
        return step(import.meta.url, 'ours', { root, rows })
      },
      async () => {
        const out = join(folder, 'copy.parquet')
        await rm(out, { force: true })
        return step(import.meta.url, 'theirs', { csv, out })
      },
    )
    report({
      name: `raw ingestion, ${rows.toLocaleString('en')} rows, 8 checks`,
      value: `cpu ${ratioText(values, (one) => one.cpu)}, wall ${ratioText(values, (one) => one.wall)}`,
      target: '≤ 1.50x cpu (≤ 1.15x)',
      rounds: values.length,
      note: `${Math.round((await stat(csv)).size / 1e6)} MB, ${bad} bad rows, quarantined ${values[0][0].result.quarantined}`,
    })
    await rm(root, { recursive: true, force: true })
    await rm(csv)
  }
}
