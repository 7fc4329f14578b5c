// A second run with nothing new against an empty command, as whole processes.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { command, ratioText, report, rounds } from './measure.mjs'
import { cli } from './project.mjs'
import { retailProject } from './retail.mjs'

export async function run({ folder, count }) {
  const root = join(folder, 'unchanged')
  await retailProject(root, { days: 5, rows: 2000 })
  const sluice = () => command([cli, '-C', root, 'run'])
  await sluice()
  await sluice()
  const many = Math.max(7, count)
  const values = await rounds(many, sluice, () => command(['-e', '0']))
  report({
    name: 'second run, nothing new',
    value: `wall ${ratioText(values, (one) => one.wall)}`,
    target: '≤ 3x node -e 0 (≤ 2x)',
    rounds: many,
  })
  await rm(root, { recursive: true, force: true })
}
