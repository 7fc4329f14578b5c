import { beforeAll, expect, test } from 'vitest'
import { commandLine } from '../../../test/cli/command-line.ts'
import { type Fake, fakeProject, runEvents, summary } from '../../../test/cli/fake-project.ts'
import type { WatchCycle } from '../../run/api.ts'
import { cycleLine } from '../render/cycle.ts'

const plain = (_look: unknown, text: string): string => text

let project: Fake
beforeAll(async () => {
  project = await fakeProject()
})

test('one line for each run that did something', async () => {
  const { code, out, err } = await commandLine(project, ['watch', '--every', '1.5s', '--select', 'stage.sales'])
  expect(code).toBe(0)
  expect(err).toContain('Watching shop')
  expect(out).toMatchInlineSnapshot(`
    "– another run holds the project; looks again every 1.5 s
    10:00:05 ✔ inbox/bad.csv refused, raw.sales 25,670 rows (16,324 quarantined), dim_product +2,833 ~0 -0 = 2,833 rows  12.3 s
    "
  `)
  expect(project.calls.findLast(([name]) => name === 'watch')?.[1]).toMatchObject({
    everyMs: 1500,
    select: ['stage.sales'],
  })
})

test('with --json, one object a line', async () => {
  const { out } = await commandLine(project, ['watch', '--json'])
  const [busy, ran] = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(busy).toEqual({ status: 'busy', nextMs: 5000 })
  expect(ran).toMatchObject({ run: '20261120T100000Z-00000001', status: summary.status, rows: summary.rows })
})

test('a pause that is none is refused', async () => {
  for (const every of ['5', '0s', '10ms', 'soon', '2000m'])
    expect([every, (await commandLine(project, ['watch', '--every', every])).code]).toEqual([every, 2])
})

test('a failure says why and when it is tried again; a recovery and an end say so', () => {
  const cycle = (change: object): WatchCycle => ({
    isBusy: false,
    id: 'r',
    summary: { ...summary, status: 'failed', durationMs: 1200 },
    events: [],
    nextMs: 10_000,
    ...change,
  })
  const failed = runEvents().flatMap((event) =>
    event.type === 'task.finished' && event.kind === 'ingest'
      ? [
          {
            ...event,
            status: 'failed' as const,
            error: {
              code: 'SLU3206',
              name: 'Source.SlotBusy',
              message: 'The slot is in use.\u001b[2J',
              retryable: true,
            },
          },
        ]
      : [],
  )
  expect(cycleLine(cycle({ events: failed.slice(0, 1) }), plain)).toMatch(
    /^10:00:\d\d ✖ raw\.\w+ SLU3206 The slot is in use\.\\e\[2J {2}1\.2 s; tried again in 10\.0 s$/,
  )
  const sentence = failed.map((event) => ({ ...event, error: { ...event.error, message: 'The slot is in use.' } }))
  expect(cycleLine(cycle({ events: sentence.slice(0, 1) }), plain)).toContain('The slot is in use  1.2 s')
  const well = { ...summary, status: 'succeeded', durationMs: 5 }
  expect(cycleLine(cycle({ summary: well }), plain)).toBe(' ✔ all is well again  5 ms')
  expect(cycleLine(cycle({ summary: { ...well, status: 'cancelled' } }), plain)).toBe(' ■ stopped  5 ms')
})
