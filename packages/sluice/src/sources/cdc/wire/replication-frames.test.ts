import { expect, test } from 'vitest'
import { dataHeader, isData, readKeepalive, sentAt, statusUpdate } from './replication-frames.ts'

const noon = 1_700_000_000_123_456n

function frame(kind: string, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(kind), ...parts])
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes
}

test('a keepalive says how far the server is, and whether it wants an answer', () => {
  const bytes = frame('k', int64(0x16_b374d848n), int64(noon - 946_684_800_000_000n), Buffer.from([1]))
  expect(isData(bytes, 0, bytes.length)).toBe(false)
  expect(readKeepalive(bytes, 0)).toEqual({ walEnd: 0x16_b374d848n, sentAt: noon, wantsReply: true })
})

test('a frame of data holds a message behind its header', () => {
  const bytes = frame('w', int64(1n), int64(2n), int64(noon - 946_684_800_000_000n), Buffer.from('B'))
  expect(isData(bytes, 0, bytes.length)).toBe(true)
  expect(bytes[dataHeader]).toBe('B'.charCodeAt(0))
  expect(sentAt(bytes, 0)).toBe(noon)
})

test('CD-26: anything else is no frame', () => {
  for (const bytes of [frame(''), frame('w'), frame('k', int64(1n)), frame('x', int64(1n)), Buffer.alloc(40)])
    expect(() => isData(bytes, 0, bytes.length)).toThrow(expect.objectContaining({ name: 'Source.ChangeProtocol' }))
})

test('a status update says what was received and, apart from it, what was committed', () => {
  const bytes = statusUpdate({ written: 300n, flushed: 200n, at: noon })
  expect(bytes.toString('latin1', 0, 1)).toBe('r')
  expect([1, 9, 17].map((at) => bytes.readBigUInt64BE(at))).toEqual([300n, 200n, 200n])
  expect(bytes.readBigInt64BE(25)).toBe(noon - 946_684_800_000_000n)
  expect(bytes).toHaveLength(34)
})
