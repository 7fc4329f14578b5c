// Benchmarks: ratios within one run, printed and never asserted.
// npm run bench -- [--quick] [--only <name>] [--rounds <n>] [--against <commit>]
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const names = [
  'help',
  'ingest',
  'retail',
  'unchanged',
  'small-files',
  'scd2',
  'incremental',
  'warehouse-postgres',
  'procedures',
  'cdc',
  's3',
  'memory',
]

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean' },
    rounds: { type: 'string' },
    against: { type: 'string' },
  },
})
const wanted = values.only ?? names
const unknown = wanted.find((name) => !names.includes(name))
if (unknown !== undefined) {
  process.stderr.write(`There is no benchmark "${unknown}". Benchmarks: ${names.join(', ')}\n`)
  process.exit(2)
}
const quick = values.quick === true
if (values.against !== undefined) {
  const { runAgainst } = await import('./against.mjs')
  const isWell = await runAgainst(values.against, wanted, { quick, count: Number(values.rounds ?? 7) })
  process.exit(isWell ? 0 : 1)
}
// So that what ends with this process does: servers, for one.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
const count = Number(values.rounds ?? (quick ? 3 : 5))
const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
process.stdout.write(
  `Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}; median (least–most) of the ratios of ${count} interleaved rounds\n`,
)
let failed = false
try {
  for (const name of wanted) {
    const { run } = await import(`./${name}.mjs`)
    try {
      await run({ folder, quick, count })
    } catch (error) {
      failed = true
      process.stdout.write(`${name.padEnd(46)} did not run: ${error instanceof Error ? error.message : error}\n`)
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exitCode = failed ? 1 : 0
// The channel to whoever gives the turns would keep it alive.
process.disconnect?.()
