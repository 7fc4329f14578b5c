import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { openReads, owner } from '../../src/query/reads.ts'
import { type OpenProject, readContext } from '../../src/run/api.ts'
import type { RunEvent, RunSummary } from '../../src/run/ledger/events.ts'
import { openProject } from '../../src/run/project.ts'
import { makeProject } from './project.ts'

// Refused rows of a table that grows leave quarantine when they are replayed, dismissed by name, or older than a declared rule allows.

const pipelineWith = (min: number): string =>
  `name: shop
layers: [raw, stage]
sources:
  t: { kind: files, path: 'inbox/t_*.csv', columns: { a: text, b: integer }, quarantine: { maxShare: 1 }, checks: [{ kind: range, column: b, min: ${min} }] }
`

interface Shop {
  readonly root: string
  readonly day: (n: number) => void
  readonly open: <T>(work: (project: OpenProject) => Promise<T>) => Promise<T>
  readonly deliver: (name: string, rows: string) => Promise<{ summary: RunSummary; events: readonly RunEvent[] }>
  readonly refused: () => Promise<readonly string[]>
}

function shop(lake: string): Shop {
  const root = makeProject({
    'package.json': '{ "private": true, "type": "module" }',
    'sluice.config.json': `{ "name": "shop", "lake": ${lake}, "warehouse": { "kind": "duckdb", "path": "warehouse.duckdb" } }`,
    'pipelines/shop/pipeline.yaml': pipelineWith(0),
    'pipelines/shop/stage/t.sql': 'SELECT a, b FROM raw.t\n',
  })
  let now = new Date('2026-03-01T10:00:00Z')
  const open: Shop['open'] = async (work) => {
    await using project = await openProject(root, { clock: { ...systemClock, now: () => now } })
    return await work(project)
  }
  return {
    root,
    day(n) {
      now = new Date(Date.UTC(2026, 2, n, 10))
    },
    open,
    async deliver(name, rows) {
      mkdirSync(join(root, 'inbox'), { recursive: true })
      writeFileSync(join(root, 'inbox', name), `a,b\n${rows}\n`)
      const events: RunEvent[] = []
      const { summary } = await open((project) => project.run({ onEvent: (event) => events.push(event) }))
      return { summary, events }
    },
    refused: () =>
      open(async (project) => {
        const [found] = await openReads(project, owner()).quarantine('raw.t', { samples: 9 })
        return (found?.samples ?? []).map(({ text }) => text)
      }),
  }
}

async function daily(shop: Shop): Promise<void> {
  await shop.deliver('t_0.csv', 'good,1\nbad,-1')
  for (let n = 1; n <= 4; n++) await shop.deliver(`t_${n}.csv`, n === 2 ? 'worse,-9' : `row${n},${n}`)
  shop.day(10)
  await shop.deliver('t_99.csv', 'row99,99')
}

test('P5: refused rows of versions that retention has removed stay, are replayed once, and leave with that', async () => {
  const t = shop('{ "retention": { "versions": 3, "days": 0 } }')
  await daily(t)
  expect(await t.open((project) => project[readContext].versions('raw.t'))).toHaveLength(3)
  expect(await t.refused()).toEqual(['worse,-9', 'bad,-1'])
  writeFileSync(join(t.root, 'pipelines/shop/pipeline.yaml'), pipelineWith(-5))
  const { summary } = await t.open((project) => project.replayQuarantine('raw.t'))
  expect(summary.rows).toMatchObject({ read: 2, accepted: 1, quarantined: 1 })
  // The one that is refused again is of the version that refused it again.
  expect(await t.refused()).toEqual(['worse,-9'])
  const [newest] = await t.open((project) => project[readContext].versions('raw.t'))
  expect(newest?.dismissed?.map(({ rows, addedIn, why }) => [rows, addedIn, why])).toEqual([
    [1, 3, 'replayed'],
    [1, 1, 'replayed'],
  ])
  await expect(t.open((project) => project.replayQuarantine('raw.t'))).rejects.toThrow('Nothing that "raw.t" refused')
})

test('P5: a dismissal takes what it names, changes no row, is in the history, and is not undone by a rollback', async () => {
  const t = shop('"lake"')
  await daily(t)
  const rows = await t.open(async (project) => (await project[readContext].versions('raw.t'))[0]!.rows)
  const made = await t.open((project) => project.dismissQuarantine('raw.t', 3))
  // Nothing that depends on the table is made again because of it.
  expect((await t.open((project) => project.run())).summary.tasks).toMatchObject({ succeeded: 0, unchanged: 2 })
  expect(made).toMatchObject({ rows, dismissed: [{ rows: 1, addedIn: 3, why: 'by hand' }] })
  expect(await t.refused()).toEqual(['bad,-1'])
  await t.open((project) => project.rollback('raw.t', 4))
  expect(await t.refused()).toEqual(['bad,-1'])
  await t.open((project) => project.dismissQuarantine('raw.t'))
  expect(await t.refused()).toEqual([])
  await expect(t.open((project) => project.dismissQuarantine('raw.t'))).rejects.toThrow('is in quarantine')
})

test('P5: refused rows age out by a declared rule alone, and the run says how many, of which table and age', async () => {
  const t = shop('{ "retention": { "quarantineDays": 5 } }')
  await t.deliver('t_0.csv', 'good,1\nbad,-1')
  t.day(5)
  await t.deliver('t_1.csv', 'good,2\nlater,-2')
  expect(await t.refused()).toEqual(['later,-2', 'bad,-1'])
  t.day(8)
  const { summary, events } = await t.deliver('t_2.csv', 'good,3')
  const aged = {
    table: 'raw.t',
    rows: 1,
    olderThanDays: 5,
    from: '2026-03-01T10:00:00.000Z',
    to: '2026-03-01T10:00:00.000Z',
  }
  expect(summary).toMatchObject({ status: 'succeeded', agedOut: [aged], warnings: 0 })
  expect(events.filter(({ type }) => type === 'quarantine.aged-out')).toMatchObject([aged])
  expect(await t.refused()).toEqual(['later,-2'])
  // The other versions of the lake's retention are as without it.
  expect(await t.open((project) => project[readContext].versions('raw.t'))).toHaveLength(4)
  t.day(20)
  expect((await t.open((project) => project.clean({ dryRun: true }))).agedOut).toMatchObject([{ rows: 1 }])
  expect((await t.open((project) => project.clean())).agedOut).toMatchObject([{ rows: 1 }])
  expect(await t.refused()).toEqual([])
})
