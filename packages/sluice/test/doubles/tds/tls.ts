/** TLS as TDS 7 has it: the handshake travels inside PRELOGIN packets, and plain TLS follows on the same socket. */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { KeyAndCertificate } from '../certificates.ts'
import { MessageReader, packet, packetType } from './packets.ts'

/** The first byte of TLS application data: the handshake is over. */
const applicationData = 0x17

/**
 * The server's side of a TLS connection over a socket whose PRELOGIN was just answered.
 *
 * @param socket nobody else may listen to its data any more
 */
export function startTls(socket: Socket, certificate: KeyAndCertificate): TLSSocket {
  let handshake = true
  let flight: Buffer[] = []
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      if (!handshake) {
        if (socket.write(chunk)) callback()
        else socket.once('drain', () => callback())
        return
      }
      // The client waits for one message for each of its own, so what is written in one turn goes out together.
      if (flight.length === 0)
        setImmediate(() => {
          socket.write(packet(packetType.prelogin, Buffer.concat(flight), true))
          flight = []
        })
      flight.push(chunk)
      callback()
    },
    destroy(error, callback) {
      socket.destroy()
      callback(error)
    },
  })
  const reader = new MessageReader((_type, body) => wire.push(body))
  socket.on('data', (chunk: Buffer) => {
    if (handshake && chunk[0] === applicationData) handshake = false
    if (handshake) reader.push(chunk)
    else wire.push(chunk)
  })
  socket.on('close', () => wire.push(null))
  const secure = new TLSSocket(wire, { isServer: true, key: certificate.key, cert: certificate.cert })
  secure.on('error', () => socket.destroy())
  return secure
}
