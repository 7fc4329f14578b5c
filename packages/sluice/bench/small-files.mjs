// 5,000 files of 1 KB, each known by its digest, against one glob with an explicit schema, which knows none of them.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { random } from './generate.mjs'
import { ratioText, report, rounds, step } from './measure.mjs'
import { configText, forget, openDuckDb, runProject, writeProject } from './project.mjs'

const pipeline = `import { files, pipeline } from 'sluice'
export default pipeline('bench', {
  sources: { ticks: files('inbox/*.csv', { columns: { id: 'bigint', sensor: 'text', value: 'decimal(9,3)', at: 'timestamp' } }) },
})
`

export const steps = {
  ours: async ({ root, rows }) => {
    const summary = await runProject(root)
    if (summary.rows.read !== rows) throw new Error(`read ${summary.rows.read} of ${rows} rows`)
  },
  theirs: async ({ inbox, out }) => {
    const connection = await openDuckDb()
    await connection.run(
      `COPY (SELECT * FROM read_csv('${inbox}/*.csv', columns = {'id': 'BIGINT', 'sensor': 'VARCHAR', 'value': 'DECIMAL(9,3)', 'at': 'TIMESTAMP'}, header = true, delim = ',', quote = '"', auto_detect = false, filename = true)) TO '${out}' (FORMAT parquet, COMPRESSION zstd)`,
    )
  },
}

async function writeFiles(inbox, files, rowsEach) {
  const next = random(3)
  await mkdir(inbox, { recursive: true })
  for (let file = 0; file < files; file++) {
    const lines = ['id,sensor,value,at']
    for (let row = 0; row < rowsEach; row++) {
      lines.push(
        `${file * rowsEach + row},s${Math.floor(next() * 50)},${(next() * 1000).toFixed(3)},2024-01-01 00:${String(row).padStart(2, '0')}:00`,
      )
    }
    await writeFile(join(inbox, `ticks_${String(file).padStart(5, '0')}.csv`), `${lines.join('\n')}\n`)
  }
}

export async function run({ folder, quick, count }) {
  const files = quick ? 500 : 5000
  const rowsEach = 28
  const root = join(folder, 'small')
  const source = join(folder, 'small-files')
  await writeFiles(source, files, rowsEach)
  await writeProject(root, { 'sluice.config.ts': configText(), 'pipelines/bench/pipeline.ts': pipeline })
  const values = await rounds(
    Math.min(count, 5),
    async () => {
      await forget(root)
      await rm(join(root, 'inbox'), { recursive: true, force: true })
      await writeFiles(join(root, 'inbox'), files, rowsEach)
      return step(import.meta.url, 'ours', { root, rows: files * rowsEach })
    },
    () => step(import.meta.url, 'theirs', { inbox: source, out: join(folder, 'small.parquet') }),
  )
  report({
    name: `${files.toLocaleString('en')} files of 1 KB`,
    value: `wall ${ratioText(values, (one) => one.wall)}, cpu ${ratioText(values, (one) => one.cpu)}`,
    target: '≤ 0.35x (≤ 0.25x)',
    rounds: values.length,
  })
  await rm(root, { recursive: true, force: true })
  await rm(source, { recursive: true, force: true })
}
