import { rmSync } from 'node:fs'
import { platform } from 'node:os'
import { expect, test } from 'vitest'
import { runMeasured } from '../acceptance/peak.ts'
import { lakeOf } from './project.ts'
import { shop, sql } from './shop.ts'

/** CD-22 and LD-1: what a run may take, whatever it reads. */
const limit = 512 << 20

const mebibytes = (bytes: number): string => `${Math.round(bytes / (1 << 20))} MiB`

const rows = Number(process.env['SLUICE_LARGE_TRANSACTION'] ?? 1_000_000)

test.skipIf(platform() !== 'linux')(
  `CD-22: a transaction of ${rows} rows, and a table of 1 MB values, fit into 512 MiB (skipped but on Linux: nothing is measured)`,
  async () => {
    const root = await shop(
      ['public.t', 'public.wide'],
      [
        'CREATE TABLE t (id int PRIMARY KEY, v text, w int, at timestamptz)',
        'CREATE TABLE wide (id int PRIMARY KEY, a text, b text, c text, d text)',
        'ALTER TABLE wide ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL, ALTER c SET STORAGE EXTERNAL, ALTER d SET STORAGE EXTERNAL',
        "INSERT INTO wide SELECT i, repeat('a', 1000000), repeat('b', 1000000), repeat('c', 1000000), repeat('d', 1000000) FROM generate_series(1, 40) i",
      ],
    )
    const copy = await runMeasured(root)
    expect(copy.code, copy.said).toBe(0)
    await sql(`INSERT INTO t SELECT i, md5(i::text), i, now() FROM generate_series(1, ${rows}) i`)
    const started = Date.now()
    const large = await runMeasured(root)
    const seconds = (Date.now() - started) / 1000
    expect(large.code, large.said).toBe(0)
    expect((await lakeOf(root).current('raw.shop'))?.accounting.accepted).toBe(rows)
    await sql(
      "UPDATE wide SET a = repeat('e', 1000000), b = repeat('f', 1000000), c = repeat('g', 1000000), d = repeat('h', 1000000)",
    )
    const wide = await runMeasured(root)
    expect(wide.code, wide.said).toBe(0)
    process.stdout.write(
      `RSS: copy of 1 MB values ${mebibytes(copy.peak)}, ${rows} rows in one transaction ${mebibytes(large.peak)} (${seconds.toFixed(1)} s), update of 1 MB values ${mebibytes(wide.peak)}\n`,
    )
    for (const { peak } of [copy, large, wide]) expect(peak).toBeLessThan(limit)
    rmSync(`${root}/lake`, { recursive: true })
  },
)
