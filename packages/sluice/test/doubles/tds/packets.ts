/** Packets (MS-TDS 2.2.3.1): a header of 8 bytes, then a piece of a message. */
import { once } from 'node:events'
import type { Duplex } from 'node:stream'

export const packetType = {
  batch: 1,
  rpc: 3,
  answer: 4,
  attention: 6,
  token: 8,
  transaction: 14,
  login: 16,
  ntlm: 17,
  prelogin: 18,
} as const

const headerLength = 8

/** Cuts a stream of bytes into packets, and joins packets into messages. */
export class MessageReader {
  private waiting: Buffer = Buffer.alloc(0)
  private parts: Buffer[] = []
  private resets = false
  private readonly onMessage: (type: number, body: Buffer, resets: boolean) => void

  /** @param onMessage hears of each message, and whether its client wants the session reset before it (RESETCONNECTION) */
  constructor(onMessage: (type: number, body: Buffer, resets: boolean) => void) {
    this.onMessage = onMessage
  }

  push(chunk: Buffer): void {
    this.waiting = Buffer.concat([this.waiting, chunk])
    while (this.waiting.length >= headerLength) {
      const length = this.waiting.readUInt16BE(2)
      if (this.waiting.length < length) return
      const packet = this.waiting.subarray(0, length)
      this.waiting = this.waiting.subarray(length)
      this.parts.push(packet.subarray(headerLength))
      this.resets ||= (packet[1]! & 8) !== 0
      if ((packet[1]! & 1) === 0) continue
      const body = Buffer.concat(this.parts)
      const { resets } = this
      this.parts = []
      this.resets = false
      this.onMessage(packet[0]!, body, resets)
    }
  }
}

/** One packet. */
export function packet(type: number, body: Buffer, last: boolean, id = 1): Buffer {
  const header = Buffer.from([type, last ? 1 : 0, 0, 0, 0, 0x33, id & 255, 0])
  header.writeUInt16BE(headerLength + body.length, 2)
  return Buffer.concat([header, body])
}

/** Writes one message in packets; waits while the client does not read. */
export class MessageWriter {
  private parts: Buffer[] = []
  private length = 0
  private id = 1
  private readonly stream: Duplex
  private readonly packetSize: number

  constructor(stream: Duplex, packetSize: number) {
    this.stream = stream
    this.packetSize = packetSize
  }

  /** Adds to the message. */
  async write(bytes: Buffer): Promise<void> {
    this.parts.push(bytes)
    this.length += bytes.length
    if (this.length >= this.packetSize * 16) await this.send(false)
  }

  /** Sends what there is without an end, in packets as they come. */
  async flush(): Promise<void> {
    await this.send(false)
    if (this.length === 0) return
    const rest = Buffer.concat(this.parts)
    this.parts = []
    this.length = 0
    await this.put([packet(packetType.answer, rest, false, this.id++)])
  }

  /** Ends the message. */
  async end(): Promise<void> {
    await this.send(true)
  }

  private async send(last: boolean): Promise<void> {
    const all = Buffer.concat(this.parts)
    const room = this.packetSize - headerLength
    const packets: Buffer[] = []
    let at = 0
    for (; all.length - at > room; at += room)
      packets.push(packet(packetType.answer, all.subarray(at, at + room), false, this.id++))
    const rest = all.subarray(at)
    if (last) packets.push(packet(packetType.answer, rest, true, this.id++))
    this.parts = last ? [] : [rest]
    this.length = last ? 0 : rest.length
    await this.put(packets)
  }

  private async put(packets: readonly Buffer[]): Promise<void> {
    if (packets.length === 0 || this.stream.destroyed) return
    if (this.stream.write(Buffer.concat(packets))) return
    const stop = new AbortController()
    await Promise.race([
      once(this.stream, 'drain', { signal: stop.signal }).catch(() => {}),
      once(this.stream, 'close', { signal: stop.signal }).catch(() => {}),
    ])
    stop.abort()
  }
}
