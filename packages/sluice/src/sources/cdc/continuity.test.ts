import { expect, test } from 'vitest'
import { assertContinuous, type SlotState } from './continuity.ts'
import { type Cursor, readCursor, writeCursor } from './cursor.ts'

const cursor: Cursor = {
  ...{ position: 0x1_0000_0100n, system: '7400000000000000001', timeline: 1, slot: 'shop' },
  published: { 'public.t': 'ab' },
  shapes: { 'public.t': '0123456789abcdef' },
  effectiveAt: 1_700_000_000_123_456n,
  waiting: [],
}
const server = { system: cursor.system, timeline: 1, position: 0x2_0000_0000n }
const slot: SlotState = {
  ...{
    slot: 'shop',
    plugin: 'pgoutput',
    isOfDatabase: true,
    walStatus: 'reserved',
    isFailover: false,
    invalidation: undefined,
    confirmed: 0x1_0000_0100n,
  },
  ...{ activePid: undefined, keptBytes: 1000, safeBytes: undefined },
}

function answer(changes: { server?: Partial<typeof server>; slot?: Partial<SlotState> | null }): string {
  try {
    const state = changes.slot === null ? undefined : { ...slot, ...changes.slot }
    assertContinuous('erp', cursor, { ...server, ...changes.server }, state)
    return 'goes on'
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}

test('a cursor survives its commit record', () => {
  expect(readCursor(writeCursor(cursor))).toEqual(cursor)
  expect(JSON.parse(writeCursor(cursor))).toMatchObject({ position: '1/100', slot: 'shop' })
})

test('the stream goes on from the cursor, also where the slot has stepped back', () => {
  expect(answer({})).toBe('goes on')
  expect(answer({ slot: { confirmed: 0x1_0000_0000n } })).toBe('goes on')
})

test('CD-05: a slot that the server gave up, or whose log is gone, is lost', () => {
  expect(answer({ slot: { walStatus: 'lost' } })).toMatch(/^Source.SlotLost: .*removed.*after 1\/100/)
  expect(answer({ slot: { invalidation: 'wal_removed' } })).toMatch(/^Source.SlotLost: .*wal_removed/)
})

test('CD-06: a slot that is missing, of another kind, or ahead of the cursor is not read, and the gap is told', () => {
  expect(answer({ slot: null })).toMatch(/^Source.SlotLost: .*does not exist/)
  expect(answer({ slot: { plugin: 'test_decoding' } })).toMatch(/^Source.SlotLost: .*test_decoding/)
  expect(answer({ slot: { confirmed: 0x1_0000_0101n } })).toMatch(/^Source.SlotAhead: .*1\/101.*1\/100/)
})

test('CD-07: a slot that is being read is left to its reader', () => {
  expect(answer({ slot: { activePid: '4711' } })).toMatch(/^Source.SlotBusy: .*4711/)
})

test('CD-08: a server that was put back to an earlier state is behind what was committed: its next changes would be skipped', () => {
  expect(answer({ server: { position: 0x1_0000_00ffn }, slot: { confirmed: 0x1_0000_0000n } })).toMatch(
    /^Source.ServerBehind: .*1\/FF.*1\/100/,
  )
  expect(answer({ server: { position: 0x1_0000_0100n } })).toBe('goes on')
})

test('CD-08: a promoted standby goes on where nothing that is committed came after the promotion', () => {
  const goesOn = (promotedAt: bigint): boolean => {
    try {
      assertContinuous('erp', cursor, { ...server, timeline: 2 }, slot, promotedAt)
      return true
    } catch (error) {
      expect(error).toMatchObject({ name: 'Source.ServerChanged' })
      return false
    }
  }
  expect(goesOn(0x1_0000_0100n)).toBe(true)
  expect(goesOn(0x1_0000_00ffn)).toBe(false)
})

test('CD-08: another server, or another timeline, is told from the one that was read', () => {
  expect(answer({ server: { system: '7400000000000000002' } })).toMatch(/^Source.ServerChanged: .*0002/)
  expect(answer({ server: { timeline: 2 } })).toMatch(/^Source.ServerChanged: .*timeline 2/)
})
