/** Which snapshots count, and where a history is made again. */
import { describe, expect, test } from 'vitest'
import { changedWindows, type JudgedSnapshot, judgeSnapshots, type Snapshot } from './snapshot-set.ts'

const snapshot = (at: number, keys: number, rest: Partial<Snapshot> = {}): Snapshot => ({
  ...{ at: BigInt(at), instant: String(at), keys, refused: 0, digest: `${at}/${keys}` },
  ...rest,
})
const heldOf = (sizes: readonly number[], accepted: readonly string[] = [], minShare = 0.5) =>
  judgeSnapshots(
    sizes.map((keys, at) => snapshot(at, keys)),
    { minShare, accepted },
  ).held.map(({ instant, before }) => `${instant} of ${before}`)

describe('WH-09: a snapshot with too few keys is held', () => {
  test.each([
    ['less than half of the one before', [100, 49], [], ['1 of 100']],
    ['half of it', [100, 50], [], []],
    ['those after it are compared to the last that counts', [100, 10, 11, 60], [], ['1 of 100', '2 of 100']],
    ['an accepted one is what the next is compared to', [100, 10, 11], ['1'], []],
    ['one without keys is declared as allowed', [100, 0, 1], [], []],
  ] as const)('%s', (_what, sizes, accepted, expected) => {
    expect(heldOf(sizes, accepted)).toEqual(expected)
  })

  test('in whatever order they are given', () => {
    const all = [snapshot(2, 45), snapshot(0, 100), snapshot(1, 40)]
    const of = (some: readonly Snapshot[]) => judgeSnapshots(some, { minShare: 0.5, accepted: [] }).held
    expect(of(all)).toEqual(of([...all].reverse()))
    expect(of(all)).toEqual([
      { instant: '1', keys: 40, before: 100 },
      { instant: '2', keys: 45, before: 100 },
    ])
  })
})

describe('WH-06: a history is made again between the neighbours of what has changed', () => {
  const counting = (at: number, rest: Partial<JudgedSnapshot> = {}): JudgedSnapshot => ({
    ...snapshot(at, 5),
    counts: true,
    ...rest,
  })
  const bounds = (before: readonly JudgedSnapshot[], now: readonly JudgedSnapshot[]) =>
    changedWindows(before, now).map(({ after, until }) => [after?.instant, until?.instant])
  const week = [1, 2, 4, 5].map((at) => counting(at))

  test('what is late, new, gone, other, or counts no more', () => {
    expect(bounds(week, week)).toEqual([])
    expect(bounds([], week)).toEqual([[undefined, undefined]])
    expect(bounds(week, [...week, counting(3)])).toEqual([['2', '4']])
    expect(bounds(week, [counting(0), ...week, counting(6)])).toEqual([
      [undefined, '1'],
      ['5', undefined],
    ])
    expect(bounds(week, week.slice(0, 3))).toEqual([['4', undefined]])
    const changed = week.map((one) => (one.instant === '2' ? { ...one, digest: 'other' } : one))
    expect(bounds(week, changed)).toEqual([['1', '4']])
    const held = week.map((one) => (one.instant === '4' ? { ...one, counts: false } : one))
    expect(bounds(week, held)).toEqual([['2', '5']])
  })

  test('a snapshot with refused rows is no bound: states at it depend on those before', () => {
    const refused = week.map((one) => (['2', '4'].includes(one.instant) ? { ...one, refused: 1 } : one))
    expect(bounds(refused, [...refused, counting(3)])).toEqual([['1', '5']])
  })

  test('what is held says nothing, whatever is in it', () => {
    const held = counting(3, { counts: false })
    expect(bounds(week, [...week, held])).toEqual([])
    expect(bounds([...week, held], [...week, { ...held, digest: 'other' }])).toEqual([])
  })

  test('very many windows are one', () => {
    const month = Array.from({ length: 30 }, (_, at) => counting(2 * at))
    const late = Array.from({ length: 20 }, (_, at) => counting(2 * at + 1))
    expect(bounds(month, [...month, ...late.slice(0, 8)])).toHaveLength(8)
    expect(bounds(month, [...month, ...late])).toEqual([['0', '40']])
  })
})
