// Start of the command line against starting Node itself, as whole processes.
import { command, ratioText, report, rounds } from './measure.mjs'
import { cli } from './project.mjs'

export async function run({ count }) {
  const many = Math.max(11, count)
  const values = await rounds(
    many,
    () => command([cli, '--help']),
    () => command(['-e', '0']),
  )
  report({
    name: 'sluice --help',
    value: `wall ${ratioText(values, (one) => one.wall)}`,
    target: '≤ 1.15x node (≤ 1.05x)',
    rounds: many,
  })
}
