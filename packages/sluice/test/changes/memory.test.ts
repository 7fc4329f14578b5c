/** Large values, in a process of its own. */
import { randomBytes } from 'node:crypto'
import { platform } from 'node:os'
import { expect, test } from 'vitest'
import { runMeasured } from '../acceptance/peak.ts'
import { unchanged } from '../cdc/pgoutput-encoder.ts'
import { insert, logOf, project, rowsOf, type Step, tables, update } from './shop.ts'

const rows = 100
const changes = Number(process.env['SLUICE_LARGE_CHANGES'] ?? 300)

test.skipIf(platform() !== 'linux')(
  `CD-22: ${changes} changes of rows with values of 1 MB, most of them not sent, fit into 512 MiB (skipped but on Linux: nothing is measured)`,
  async () => {
    const root = project(tables())
    const log = logOf(root)
    const value = (): string => randomBytes(500_000).toString('hex')
    const steps = (from: number, to: number, step: (n: number) => Step): Step[] =>
      Array.from({ length: to - from }, (_, n) => step(from + n))
    for (let at = 0; at < rows; at += 20)
      await log.commit(steps(at, at + 20, (n) => insert(`${n}`, `first ${n}`, '0', value())))
    for (let at = rows; at < changes; at += 100)
      await log.commit(
        steps(at, at + 100, (n) => update(`${n % rows}`, `later ${n}`, `${n}`, n % 5 === 0 ? value() : unchanged)),
      )
    const started = Date.now()
    const { code, peak, said } = await runMeasured(root, ['--select', 'stage.*'])
    expect(code, said).toBe(0)
    process.stdout.write(`RSS ${Math.round(peak / (1 << 20))} MiB, ${((Date.now() - started) / 1000).toFixed(1)} s\n`)
    expect(
      await rowsOf(
        root,
        'SELECT count(*)::INTEGER AS n, min(length(note))::INTEGER AS least, min(balance)::INTEGER AS first FROM stage.customers',
      ),
    ).toEqual([{ n: rows, least: 1_000_000, first: changes - rows }])
    expect(
      await rowsOf(root, 'SELECT count(*)::INTEGER AS n, min(length(note))::INTEGER AS least FROM stage.history'),
    ).toEqual([{ n: changes, least: 1_000_000 }])
    expect(peak).toBeLessThan(512 << 20)
  },
)
