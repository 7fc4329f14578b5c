import { expect, test } from 'vitest'
import type { CommitRecord, InputReference } from '../record.ts'
import { loadWitness, missingVersions, witnessesIn } from './witnesses.ts'

const record = (table: string, version: number, over: Partial<CommitRecord> = {}): CommitRecord =>
  ({ table, version, fencingToken: version, run: `run-${version}`, operation: 'replace', inputs: [], ...over }) as never

const from = (table: string, version: number): readonly InputReference[] => [{ kind: 'table', table, version }]

const missing = (records: readonly CommitRecord[], loads: Parameters<typeof missingVersions>[1] = []): unknown =>
  missingVersions(records, [...witnessesIn(records), ...loads]).map(({ table, highest }) => [table, highest])

test('a table that was made from a newer version than is left knows of it; one that was made from what is left, or less, does not', () => {
  expect(missing([record('raw.t', 1), record('stage.x', 2, { inputs: from('raw.t', 2) })])).toEqual([['raw.t', 2]])
  expect(missing([record('raw.t', 2), record('stage.x', 2, { inputs: from('raw.t', 2) })])).toEqual([])
  expect(missing([record('raw.t', 3), record('stage.x', 2, { inputs: from('raw.t', 2) })])).toEqual([])
  expect(missing([record('raw.t', 1), record('stage.x', 2, { inputs: from('raw.u', 2) })])).toEqual([])
})

test('of several that know, the highest number counts', () => {
  const [one, two] = [2, 5].map((seen) => record(`stage.x${seen}`, 7, { inputs: from('raw.t', seen) }))
  expect(missing([record('raw.t', 1), one!, two!])).toEqual([['raw.t', 5]])
})

test('a table that was made again from nothing is not the one that others have seen', () => {
  const again = record('raw.t', 1, { fencingToken: 9, run: 'run-9' })
  expect(missing([again, record('stage.x', 5, { inputs: from('raw.t', 5) })])).toEqual([])
  expect(missing([again], [loadWitness('fact', 'raw.t', 5, 'run-5')])).toEqual([])
  expect(missing([again], [loadWitness('fact', 'raw.t', 5, 'run-9')])).toEqual([['raw.t', 5]])
})

test('a compaction is known by the version whose rows it has', () => {
  const compacted = { of: 6, run: 'c', at: '' } as CommitRecord['compacted']
  expect(
    missing([record('raw.t', 7, { compacted: compacted! }), record('stage.x', 9, { inputs: from('raw.t', 6) })]),
  ).toEqual([])
})

test('a rollback has seen what its target has seen, long before', () => {
  const rolled = record('stage.x', 9, { operation: 'rollback', inputs: from('raw.t', 5) })
  expect(missing([record('raw.t', 1), rolled])).toEqual([])
})
