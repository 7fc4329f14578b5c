import fc from 'fast-check'
import { expect, test } from 'vitest'
import { localText, windowOf } from './window.ts'

const berlin = { start: '2026-01-01', zone: 'Europe/Berlin', overlapSeconds: 0, lagSeconds: 0 }

test('the first window begins at the declared start, the next at the watermark', () => {
  const first = windowOf({ ...berlin, lagSeconds: 60 }, undefined, new Date('2026-06-01T10:01:00Z'))
  expect(first).toEqual({
    from: '2026-01-01 00:00:00.000',
    to: '2026-06-01 12:00:00.000',
    watermark: '2026-06-01T10:00:00.000Z',
  })
  const next = windowOf({ ...berlin, overlapSeconds: 3600 }, first.watermark, new Date('2026-06-02T10:00:00Z'))
  expect(next).toMatchObject({ from: '2026-06-01 11:00:00.000', to: '2026-06-02 12:00:00.000' })
})

test('SR-08: a window never runs backwards, nor reaches back before the start', () => {
  const now = new Date('2026-06-01T10:00:00Z')
  const back = windowOf(berlin, '2026-06-01T11:00:00.000Z', now)
  expect(back).toEqual({
    from: '2026-06-01 13:00:00.000',
    to: '2026-06-01 13:00:00.000',
    watermark: '2026-06-01T11:00:00.000Z',
  })
  expect(windowOf({ ...berlin, start: '2026-06-01T11:30', overlapSeconds: 86_400 }, now.toISOString(), now).from).toBe(
    '2026-06-01 11:30:00.000',
  )
  expect(windowOf({ ...berlin, start: '2027-01-01' }, undefined, now)).toMatchObject({
    from: '2027-01-01 00:00:00.000',
    to: '2027-01-01 00:00:00.000',
  })
})

test('SR-08: no bound lies in a repeated hour', () => {
  // 2026-10-25: 03:00 CEST is 02:00 CET; 02:00 to 03:00 comes twice.
  for (const now of [
    '2026-10-25T00:00:00Z',
    '2026-10-25T00:59:59.999Z',
    '2026-10-25T01:00:00Z',
    '2026-10-25T01:59:59.999Z',
  ])
    expect(windowOf(berlin, undefined, new Date(now)).to).toBe('2026-10-25 02:00:00.000')
  expect(windowOf(berlin, undefined, new Date('2026-10-25T02:00:00Z')).to).toBe('2026-10-25 03:00:00.000')
  expect(windowOf(berlin, undefined, new Date('2026-10-24T23:59:59.999Z')).to).toBe('2026-10-25 01:59:59.999')
})

const zones = [
  'Europe/Berlin',
  'Europe/London',
  'America/New_York',
  'America/Sao_Paulo',
  'Australia/Lord_Howe',
  'Asia/Kolkata',
  'Africa/Casablanca',
  'America/St_Johns',
  'UTC',
]
const hour = 3600_000

test('SR-08: windows over any change of the clocks hold every row once', () => {
  const moments = fc.record({
    zone: fc.constantFrom(...zones),
    // Around a spring or an autumn of some year.
    around: fc.constantFrom(
      Date.UTC(2026, 2, 29),
      Date.UTC(2026, 9, 25),
      Date.UTC(2026, 2, 8),
      Date.UTC(2026, 10, 1),
      Date.UTC(2018, 1, 18),
      Date.UTC(2026, 3, 5),
      Date.UTC(2026, 2, 22),
    ),
    runs: fc.array(fc.integer({ min: 1, max: 14 * hour }), { minLength: 1, maxLength: 25 }),
    rows: fc.array(fc.integer({ min: 0, max: 72 * hour }), { maxLength: 60 }),
  })
  fc.assert(
    fc.property(moments, ({ zone, around, runs, rows }) => {
      const begin = around - 36 * hour
      const instants = rows.map((row) => begin + row)
      const seen = new Map<number, number>()
      let watermark: string | undefined
      let now = begin
      const declared = { start: '2000-01-01', zone, overlapSeconds: 0, lagSeconds: 0 }
      for (const step of [...runs, 200 * hour]) {
        now += step
        const window = windowOf(declared, watermark, new Date(now))
        expect(window.from <= window.to).toBe(true)
        for (const [at, instant] of instants.entries()) {
          // A row is there once its time has come; the server compares what its clock showed.
          const local = localText(instant, zone)
          if (instant < now && window.from <= local && local < window.to) seen.set(at, (seen.get(at) ?? 0) + 1)
        }
        watermark = window.watermark
      }
      expect(instants.map((_, at) => seen.get(at))).toEqual(instants.map(() => 1))
    }),
    { numRuns: 300 },
  )
})
