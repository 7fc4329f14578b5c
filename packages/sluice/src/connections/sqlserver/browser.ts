/** Asks a server's SQL Browser for the port of a named instance (MS-SQLR: CLNT_UCAST_EX, one datagram each way). */
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../connection.ts'

/** Datagrams are lost at times: how long each answer is waited for, in milliseconds. */
const waits = [500, 1000, 1500]

/** A named instance, and where the SQL Browser of its host answers. */
type Instance = Pick<ConnectionSettings, 'name' | 'host' | 'port'> & { readonly instance: string }

/**
 * The port of an instance.
 *
 * @example await instancePort({ name: 'erp', host: 'erp.example.com', port: 1434, instance: 'SALES' }, signal) // 51234
 * @throws Connection.Unreachable (transient), with what the SQL Browser answered
 */
export async function instancePort(asked: Instance, signal: AbortSignal): Promise<number> {
  const { host, port, instance } = asked
  const { address, family } = await lookup(host)
  for (const wait of waits) {
    const answer = await ask({ address, family, port }, AbortSignal.any([signal, AbortSignal.timeout(wait)]))
    if (answer !== undefined) return portIn(answer, asked)
    signal.throwIfAborted()
  }
  const why = `its SQL Browser was asked ${waits.length} times on UDP port ${port} for the instance "${instance}"`
  throw unreachable(asked, `${why}, without an answer; start it, or write the port: '${host},<port>'`)
}

const unreachable = ({ name, host, instance }: Instance, why: string) =>
  sluiceError('Connection.Unreachable', { connection: name, address: `${host}\\${instance}`, why })

/** One question, and what comes back before the signal; a host that has nothing on the port may say so, which is no answer either. */
async function ask(
  { address, family, port }: { readonly address: string; readonly family: number; readonly port: number },
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
  const waiting = once(socket, 'message', { signal }) as Promise<[Buffer]>
  // Only the one that was asked is heard.
  socket.connect(port, address, () => socket.send(Buffer.from([0x03])))
  const answer = await waiting.catch(() => undefined)
  socket.close()
  return answer?.[0]
}

/** An answer (SVR_RESP): a byte, a length, then `ServerName;…;InstanceName;…;…;tcp;51234;;` for each instance. */
function portIn(answer: Buffer, asked: Instance): number {
  const { instance } = asked
  const text = answer.toString('latin1', 3)
  const instances = text.split(';;').flatMap((one) => {
    const words = new Map([...one.matchAll(/([^;]+);([^;]*);?/g)].map(([, key, value]) => [key?.toLowerCase(), value]))
    const name = words.get('instancename')
    return name === undefined ? [] : [{ name, tcp: words.get('tcp') }]
  })
  const found = instances.find(({ name }) => name.toLowerCase() === instance.toLowerCase())
  if (found === undefined) {
    const names = instances.map(({ name }) => name).join(', ')
    throw unreachable(
      asked,
      `it has no instance "${instance}" that runs; its SQL Browser knows ${names === '' ? 'none' : names}`,
    )
  }
  const port = Number(found.tcp)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw unreachable(
    asked,
    `its instance "${instance}" takes no connections over TCP; enable TCP/IP in SQL Server Configuration Manager`,
  )
}
