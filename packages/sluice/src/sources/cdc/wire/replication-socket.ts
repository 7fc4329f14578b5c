/**
 * The connection of a walsender, read past the driver: it allocates an object a message, and the stream is the one place where that counts.
 *
 * The driver connects and logs in; from START_REPLICATION on, its socket is ours. Whoever opened the client still ends it.
 */
import type pg from 'pg'
import { sluiceError } from '../../../base/errors.ts'

/** What the server said in an ErrorResponse. */
export interface ServerRefusal {
  /** The SQLSTATE. */
  readonly code: string
  readonly text: string
}

/** A socket that speaks the streaming protocol. */
export interface ReplicationSocket {
  /** Whole messages of the server, each with its type and length before it; undefined where it has ended. Valid until the next. */
  next(): Promise<Buffer | undefined>
  /** Whether there is something for {@link ReplicationSocket.next} already. */
  readonly isReady: boolean
  /** Sends a command; what it answers comes with {@link ReplicationSocket.next}. */
  query(command: string): void
  /** Sends CopyData. */
  send(frame: Buffer): void
  /** Ends the stream: what is unread is lost. */
  close(): void
}

/**
 * The server sends each row by itself, and a fast reader wakes it for each: reading nothing for a moment makes both cheaper. Half of a read's
 * buffer is the measure of "fast".
 */
const coalesceBelow = 32_768
const coalesceMs = 10
/** Unread bytes beyond which the server is made to wait. */
const highWater = 4 << 20
/** No message of PostgreSQL is longer; ours end well before, since no text in this process can be. */
const maxMessage = 1 << 29

/**
 * Takes a client's socket over: the client itself can do no more than end.
 *
 * @example
 * const socket = takeOver(client)
 * socket.query('START_REPLICATION SLOT "s" LOGICAL 0/0 (…)')
 * @param coalesces whether to read in larger pieces, a moment later
 */
export function takeOver(client: pg.Client, coalesces: boolean): ReplicationSocket {
  const socket = client.connection.stream
  let queue: Buffer[] = []
  let queued = 0
  let needed = 5
  let failure: Error | undefined
  let ended = false
  let resuming: NodeJS.Timeout | undefined
  let wake: (() => void) | undefined

  function signal(): void {
    wake?.()
    wake = undefined
  }
  function onData(chunk: Buffer): void {
    queue.push(chunk)
    queued += chunk.length
    if (queued >= Math.max(highWater, needed)) socket.pause()
    else if (coalesces && chunk.length < coalesceBelow) {
      socket.pause()
      resuming ??= setTimeout(resume, coalesceMs)
    }
    if (queued >= needed) signal()
  }
  function resume(): void {
    resuming = undefined
    if (queued < Math.max(highWater, needed)) socket.resume()
  }
  function onEnd(error?: Error): void {
    failure ??= error
    ended = true
    signal()
  }

  /** The whole messages of what is queued; undefined where not even the first is whole. */
  function take(): Buffer | undefined {
    if (queued < needed) return undefined
    const block = queue.length === 1 ? queue[0]! : Buffer.concat(queue, queued)
    let at = 0
    needed = 5
    while (block.length - at >= 5) {
      const length = block.readInt32BE(at + 1)
      if (length < 4 || length > maxMessage)
        throw sluiceError('Source.ChangeProtocol', {
          why: `it says that it has ${length} bytes`,
          message: 'frame',
          bytes: block.length - at,
        })
      if (block.length - at < length + 1) {
        needed = length + 1
        break
      }
      at += length + 1
    }
    queue = at === block.length ? [] : [block.subarray(at)]
    queued = block.length - at
    if (resuming === undefined) resume()
    return at === 0 ? undefined : block.subarray(0, at)
  }

  socket.removeAllListeners('data')
  socket.on('data', onData)
  socket.once('error', onEnd)
  socket.once('close', () => onEnd())
  socket.resume()

  function write(type: number, body: Buffer): void {
    if (ended) return
    const header = Buffer.alloc(5)
    header[0] = type
    header.writeInt32BE(4 + body.length, 1)
    socket.write(Buffer.concat([header, body]))
  }

  return {
    async next() {
      for (;;) {
        const block = take()
        if (block !== undefined) return block
        if (failure !== undefined) throw failure
        if (ended) return undefined
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    get isReady() {
      return queued >= needed || ended
    },
    query: (command) => write(0x51, Buffer.from(`${command}\0`)),
    send: (frame) => write(0x64, frame),
    close() {
      clearTimeout(resuming)
      ended = true
      socket.off('data', onData)
      socket.destroy()
      signal()
    },
  }
}

/** Reads an ErrorResponse that begins (with its type) at `start`. @example readRefusal(block, at) */
export function readRefusal(block: Buffer, start: number): ServerRefusal {
  const end = start + 1 + block.readInt32BE(start + 1)
  const fields = block.toString('utf8', start + 5, end).split('\0')
  const field = (letter: string): string => fields.find((one) => one.startsWith(letter))?.slice(1) ?? ''
  return { code: field('C'), text: field('M').replace(/\s+/g, ' ') }
}
