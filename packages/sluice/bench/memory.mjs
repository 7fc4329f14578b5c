// Peak memory for a file ten times the engine's memory limit.
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeMixedCsv } from './generate.mjs'
import { report, step } from './measure.mjs'
import { configText, forget, mixedPipelineText, runProject, writeProject } from './project.mjs'

export const steps = { ours: ({ root }) => runProject(root) }

export async function run({ folder, quick }) {
  // One task at a time has the whole limit. About 108 bytes a row: 12 million rows are 1.3 GB.
  const limit = 128
  const rows = Math.ceil((limit * (quick ? 2 : 10) * 1024 * 1024) / 108)
  const root = join(folder, 'memory')
  await writeProject(root, {
    'sluice.config.ts': configText({ memory: `${limit}MB`, concurrency: 1 }),
    'pipelines/bench/pipeline.ts': mixedPipelineText('inbox/*.csv'),
  })
  await forget(root)
  await mkdir(join(root, 'inbox'), { recursive: true })
  const csv = join(root, 'inbox', 'orders.csv')
  await writeMixedCsv(csv, rows)
  const bytes = (await stat(csv)).size
  const { rss, wall } = await step(import.meta.url, 'ours', { root })
  report({
    name: `peak memory, file ${(bytes / limit / 1024 / 1024).toFixed(1)}x the limit of ${limit} MB`,
    value: `${Math.round(rss)} MB RSS`,
    target: '≤ 400 MB (≤ 300)',
    rounds: 1,
    note: `${Math.round(bytes / 1e6)} MB in ${(wall / 1000).toFixed(1)} s`,
  })
  await rm(root, { recursive: true, force: true })
}
