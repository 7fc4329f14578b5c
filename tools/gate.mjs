/**
 * Runs the phases of the gate, one after the other, and says how many minutes each took. The first that fails ends it.
 *
 *   node tools/gate.mjs                    all of them: `npm test`
 *   node tools/gate.mjs build lint unit    these: `npm run check`
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const phases = {
  build: 'npm run -s build',
  lint: 'npm run -s lint',
  unit: 'npx vitest run --project unit',
  suites: 'npx vitest run --project suite',
  // On the oldest PostgreSQL that is supported; others are installed by hand, see test/servers/postgres.ts.
  oldest: 'npx vitest run --project suite test/cdc/stream.test.ts test/cdc/first-copy.test.ts test/cdc/control.test.ts',
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(phases)
const took = []
for (const name of wanted) {
  const from = performance.now()
  const env = name === 'oldest' ? { ...process.env, SLUICE_POSTGRES: '14' } : process.env
  const { status } = spawnSync(phases[name], {
    shell: true,
    stdio: 'inherit',
    cwd: join(import.meta.dirname, '..'),
    env,
  })
  took.push(`${name} ${((performance.now() - from) / 60_000).toFixed(1)}`)
  if (status !== 0) {
    process.exitCode = status ?? 1
    break
  }
}
process.stdout.write(`Minutes: ${took.join(', ')}\n`)
