import { expect, test } from 'vitest'
import { editsSettled, loadOutcome } from './load.ts'

const result = { status: 'loaded', read: 9, inserted: 9, updated: 0, deleted: 3, unchanged: 0, rejected: 0 } as const

test('a closing of a history is no deleted row: what was inserted is what is there', () => {
  expect(loadOutcome({ mode: 'scd2' }, { ...result, total: 9 })).toEqual({
    inserted: 9,
    updated: 0,
    deleted: 0,
    closed: 3,
    total: 9,
  })
  expect(loadOutcome({ mode: 'scd2' }, { ...result, vanished: 1, total: 8 })).toMatchObject({ deleted: 1, closed: 3 })
})

test('of other loads what is deleted is gone', () => {
  expect(loadOutcome({ mode: 'upsert' }, { ...result, total: 6 })).toEqual({
    inserted: 9,
    updated: 0,
    deleted: 3,
    total: 6,
  })
})

test('of rows that somebody else changed it is said what became of them', () => {
  const settled = (load: Parameters<typeof editsSettled>[1], rewritten = false) =>
    editsSettled('t', load, { status: 'loaded', rewritten })
  const again = 'this load wrote it again from the lake'
  const kept = 'this load wrote the rows of its table again, and left all others'
  const advice = 'to replace it from the lake: sluice run --force --select t'
  expect([settled({ mode: 'replace' }), settled({ mode: 'upsert', deletes: 'absence' })]).toEqual([again, again])
  expect([settled({ mode: 'upsert' }), settled({ mode: 'upsert' }, true)]).toEqual([kept, kept])
  expect([settled({ mode: 'append' }), settled({ mode: 'append' }, true)]).toEqual([advice, again])
  expect(editsSettled('t', { mode: 'replace' }, { status: 'already-loaded' })).toBe(advice)
})
