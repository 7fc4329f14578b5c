import { expect, test } from 'vitest'
import { loadOutcome } from './load.ts'

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
