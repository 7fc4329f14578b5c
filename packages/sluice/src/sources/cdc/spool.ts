/**
 * Where a transaction's messages wait for its commit: in memory as the bytes that came, and beyond a limit in a file.
 *
 * One spool belongs to one transaction, a pool holds all of them; the largest goes to disk first. Nothing here needs to survive the process: what
 * was not committed comes again.
 */
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { assert, sluiceError } from '../../base/errors.ts'

/** How much may wait. */
export interface SpoolLimits {
  /** An existing local folder for the files. */
  readonly folder: string
  /** Bytes in memory, over all transactions. */
  readonly memoryBytes: number
  /** Bytes on disk, over all transactions. */
  readonly diskBytes: number
}

/** The messages of one transaction. */
export interface Spool {
  readonly bytes: number
  /** Whether a part of it is on disk. */
  readonly isSpilled: boolean
  /** @throws Source.ChangeSpillLimit */
  add(frame: Buffer, start: number, end: number): void
  /** What was added, in order, as blocks of whole records: each a length of four bytes and the message. A block is valid until the next one. */
  blocks(): Generator<Buffer>
  /** Forgets everything. May be repeated. */
  close(): void
}

/** The spools of one stream. */
export interface SpoolPool {
  open(xid: number): Spool
  /** Bytes in memory, and on disk. */
  readonly memoryBytes: number
  readonly diskBytes: number
  /** Closes whatever is open. */
  close(): void
}

const chunkBytes = 1 << 18
const blockBytes = 1 << 20

interface State {
  readonly xid: number
  /** Filled but for the last. */
  chunks: Buffer[]
  /** Filled bytes of the chunks before the last, and of the last. */
  held: number
  used: number
  file: { readonly path: string; readonly descriptor: number; bytes: number } | undefined
}

/**
 * Makes a pool.
 *
 * @example
 * const pool = spoolPool({ folder: scratch, memoryBytes: 64 << 20, diskBytes: 16 * 2 ** 30 })
 * const spool = pool.open(xid)
 * spool.add(frame, start, end)
 */
export function spoolPool(limits: SpoolLimits): SpoolPool {
  const states = new Set<State>()
  let memory = 0
  let disk = 0
  let number = 0

  function spillLargest(): void {
    let largest: State | undefined
    for (const state of states) if (largest === undefined || state.held > largest.held) largest = state
    assert(largest !== undefined, 'a full pool holds something')
    spill(largest)
  }

  function spill(state: State): void {
    if (disk + state.held > limits.diskBytes)
      throw sluiceError('Source.ChangeSpillLimit', {
        xid: state.xid,
        bytes: (state.file?.bytes ?? 0) + state.held,
        limit: limits.diskBytes,
      })
    if (state.file === undefined) {
      const path = join(limits.folder, `transaction-${number++}.messages`)
      state.file = { path, descriptor: openSync(path, 'wx+', 0o600), bytes: 0 }
    }
    for (const [place, chunk] of state.chunks.entries()) {
      const bytes = place === state.chunks.length - 1 ? state.used : chunk.length
      for (let at = 0; at < bytes; ) at += writeSync(state.file.descriptor, chunk, at, bytes - at)
      state.file.bytes += bytes
    }
    disk += state.held
    memory -= state.held
    Object.assign(state, { chunks: [], held: 0, used: 0 })
  }

  function add(state: State, frame: Buffer, start: number, end: number): void {
    const bytes = end - start + 4
    let chunk = state.chunks.at(-1)
    if (chunk === undefined || chunk.length - state.used < bytes) {
      if (chunk !== undefined) state.chunks[state.chunks.length - 1] = chunk.subarray(0, state.used)
      // A small transaction takes little: there may be thousands of them.
      const size = state.chunks.length === 0 ? 4096 : chunkBytes
      chunk = Buffer.allocUnsafe(Math.max(size, bytes))
      state.chunks.push(chunk)
      state.used = 0
    }
    chunk.writeUInt32LE(bytes - 4, state.used)
    frame.copy(chunk, state.used + 4, start, end)
    state.used += bytes
    state.held += bytes
    memory += bytes
    if (memory > limits.memoryBytes) spillLargest()
  }

  function* blocks(state: State): Generator<Buffer> {
    if (state.file !== undefined) yield* fileBlocks(state.file.descriptor, state.file.bytes)
    for (const [place, chunk] of state.chunks.entries())
      yield place === state.chunks.length - 1 ? chunk.subarray(0, state.used) : chunk
  }

  function close(state: State): void {
    if (!states.delete(state)) return
    memory -= state.held
    state.chunks = []
    if (state.file === undefined) return
    disk -= state.file.bytes
    closeSync(state.file.descriptor)
    unlinkSync(state.file.path)
  }

  return {
    open(xid) {
      const state: State = { xid, chunks: [], held: 0, used: 0, file: undefined }
      states.add(state)
      return {
        get bytes() {
          return state.held + (state.file?.bytes ?? 0)
        },
        get isSpilled() {
          return state.file !== undefined
        },
        add: (frame, start, end) => add(state, frame, start, end),
        blocks: () => blocks(state),
        close: () => close(state),
      }
    },
    get memoryBytes() {
      return memory
    },
    get diskBytes() {
      return disk
    },
    close() {
      for (const state of [...states]) close(state)
    },
  }
}

/** A file's records in blocks; a record larger than a block gets one of its own size. */
function* fileBlocks(descriptor: number, bytes: number): Generator<Buffer> {
  let block = Buffer.allocUnsafe(blockBytes)
  let filled = 0
  for (let at = 0; at < bytes; ) {
    const read = readSync(descriptor, block, filled, Math.min(block.length - filled, bytes - at), at)
    assert(read > 0, 'a spilled transaction is as long as it was written')
    at += read
    filled += read
    const whole = wholeRecords(block, filled)
    if (whole > 0) {
      yield block.subarray(0, whole)
      block.copyWithin(0, whole, filled)
      filled -= whole
    } else if (filled === block.length) {
      const larger = Buffer.allocUnsafe(Math.max(block.readUInt32LE(0) + 4, blockBytes * 2))
      block.copy(larger, 0, 0, filled)
      block = larger
    }
  }
  assert(filled === 0, 'a spilled transaction ends with a record')
}

function wholeRecords(block: Buffer, filled: number): number {
  let at = 0
  while (filled - at >= 4) {
    const next = at + 4 + block.readUInt32LE(at)
    if (next > filled) break
    at = next
  }
  return at
}
