/** The whole story with one command: both systems up, extracted twice, the result shown, both systems down. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startErp } from './erp/server.mjs'

const program = fileURLToPath(new URL('bin/sluice.mjs', import.meta.resolve('sluice/package.json')))

const sluice = (...args) => {
  console.log(`\n$ npx sluice ${args.map((arg) => (/\s/.test(arg) ? `"${arg}"` : arg)).join(' ')}`)
  const { status } = spawnSync(process.execPath, [program, ...args], { cwd: import.meta.dirname, stdio: 'inherit' })
  if (status !== 0) process.exitCode = status ?? 1
  return status === 0
}

console.log('Starting two systems that may only be asked through procedures …')
const erp = await startErp()
try {
  const done =
    sluice('run') &&
    // Again: every procedure is called, and what it returns is known by its content.
    sluice('run') &&
    sluice(
      'query',
      'SELECT procedure, status, calls, rows, window_to, version FROM sluice.extractions ORDER BY started_at DESC, procedure',
    ) &&
    sluice(
      'query',
      'SELECT year, system, count(*) AS sales, sum(amount) AS amount FROM warehouse.fact_sales GROUP BY ALL ORDER BY ALL',
    )
  if (done) console.log('\nThe same by hand: npm run erp, and in another terminal npx sluice run')
} finally {
  await erp.stop()
}
