/** The socket to a server: to its port or that of its instance, at one address after the other or at all at once. */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { ConnectionSettings } from '../connection.ts'
import { instancePort } from './browser.ts'

/** Where a gateway or a listener sent the login on to. */
export interface Route {
  readonly server: string
  readonly port: number
}

/**
 * A connected socket.
 *
 * @example const socket = await openSocket(settings, undefined, signal)
 * @param route where the server sent the login on to, if it did
 */
export async function openSocket(
  settings: ConnectionSettings,
  route: Route | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const { instance, multiSubnetFailover } = settings
  const host = route?.server ?? settings.host
  const own = instance === undefined || route !== undefined ? settings.port : undefined
  const port = route?.port ?? own ?? (await instancePort({ ...settings, instance: instance! }, signal))
  if (multiSubnetFailover !== true) return connected(connect({ host, port, noDelay: true }), signal)
  const addresses = await lookup(host, { all: true })
  return firstOf(
    addresses.map(({ address }) => connect({ host: address, port, noDelay: true })),
    signal,
  )
}

/**
 * The first socket that connects; the others are closed.
 *
 * @example await firstOf(addresses.map((host) => connect({ host, port })), signal)
 * @throws AggregateError where none does
 */
export async function firstOf(sockets: readonly Socket[], signal: AbortSignal): Promise<Socket> {
  const first = await Promise.any(sockets.map((socket) => connected(socket, signal)))
  for (const socket of sockets) if (socket !== first) socket.destroy()
  return first
}

async function connected(socket: Socket, signal: AbortSignal): Promise<Socket> {
  socket.on('error', () => {})
  try {
    await once(socket, 'connect', { signal })
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}
