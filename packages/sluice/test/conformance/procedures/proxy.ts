/** A proxy between a client and a server on the loopback: it keeps each byte that the client sends, and can cut the line. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

import type { ConnectionSettings } from '../../../src/connections/connection.ts'

/** A running proxy. */
export interface Proxy {
  readonly port: number
  /** The same settings by way of it. */
  through(settings: ConnectionSettings): ConnectionSettings
  /** All that clients have sent until now. */
  sent(): Buffer
  /** Bytes that the server has sent. */
  received(): number
  /** Cuts every line when so many more bytes have come from the server. */
  cutAfter(bytes: number): void
  /** Lines that are open. */
  lines(): number
  stop(): Promise<void>
}

/**
 * Starts a proxy.
 *
 * @example const proxy = await startProxy({ host: '127.0.0.1', port: 3306 }); … proxy.sent().includes('SELECT')
 */
export async function startProxy(server: { readonly host: string; readonly port: number }): Promise<Proxy> {
  const sent: Buffer[] = []
  let received = 0
  let cutAt = Number.POSITIVE_INFINITY
  const open = new Set<Socket>()
  const listener = createServer((client) => {
    const upstream = connect(server.port, server.host)
    const close = (): void => {
      for (const socket of [client, upstream]) {
        socket.destroy()
        open.delete(socket)
      }
    }
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', close)
      socket.on('close', close)
    }
    client.on('data', (chunk) => sent.push(chunk))
    client.pipe(upstream)
    upstream.on('data', (chunk) => {
      received += chunk.length
      if (received >= cutAt) close()
    })
    upstream.pipe(client)
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  return {
    port,
    through: (settings) => ({ ...settings, host: '127.0.0.1', port }),
    sent: () => Buffer.concat(sent),
    received: () => received,
    cutAfter: (bytes) => {
      cutAt = received + bytes
    },
    lines: () => open.size / 2,
    stop: () => {
      for (const socket of open) socket.destroy()
      return new Promise((resolve) => listener.close(() => resolve()))
    },
  }
}
